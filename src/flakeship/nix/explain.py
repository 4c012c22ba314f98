"""The catalogue of Nix's error messages, in the words of Nix 2.8 to 2.34, and the error that each becomes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from flakeship.errors import BuildError, Error, ResourceError
from flakeship.nix import alternatives
from flakeship.nix.command import Nix
from flakeship.nix.failure import Failure
from flakeship.nix.installable import Installable
from flakeship.nix.untracked import hint_untracked
from flakeship.store_paths import name_of_derivation

_DRV: Final = r"'(?P<drv>/nix/store/[^']+\.drv)'"
_BUILDER: Final = (
    rf"(?:builder for {_DRV}|Cannot build '(?P<drv2>[^']+\.drv)'\.\s+Reason: builder) failed "
    r"(?:with exit code (?P<code>\d+)|due to signal (?P<signal>\d+))"
)
_REGISTERED: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_NO_SPACE: Final = re.compile(r"No space left on device|Disk quota exceeded")


def explain_failure(failure: Failure) -> Error:
    """Return the error for the first entry of the catalogue that matches; without a match, quote Nix's last error.

    Entries that say more about the cause stand first.
    """
    for cause in _CAUSES:
        if found := re.search(cause.pattern, failure.text, re.DOTALL):
            return (
                _with_untracked(failure, cause.make(failure, found))
                if cause.source
                else cause.make(failure, found)
            )
    return _with_untracked(failure, _unknown(failure))


def query_installable(nix: Nix, installable: Installable, verb: str, *arguments: str) -> Any:
    """Run a nix command about an installable and return its JSON. It raises the errors that a build raises."""
    done = nix.run(verb, *arguments, cwd=installable.cwd)
    if done.returncode == 0:
        return json.loads(done.stdout)
    failure = Failure(nix, installable, done.returncode)
    for line in done.stderr.splitlines():
        failure.log.take(line)
    raise explain_failure(failure)


def _with_untracked(failure: Failure, error: Error) -> Error:
    if isinstance(error, BuildError) and (
        hint := hint_untracked(failure.installable, environ=failure.nix.environ)
    ):
        error.hint = f"{hint}. {error.hint}" if error.hint else hint
    return error


def _unknown(failure: Failure) -> Error:
    """Quote the last error line, with the reason that Nix 2.34 prints on the next line."""
    found = re.findall(r"error: *([^\n]+)(?:\n\s+Reason: ([^\n]+))?", failure.text)
    last = " ".join(filter(None, found[-1])) if found else f"nix failed with exit code {failure.returncode}"
    return BuildError(
        f"{failure.installable} cannot be built: {last}",
        hint=f"`nix build {failure.installable.spelled} --show-trace` shows the way that led there",
        detail=failure.end,
    )


def _no_space(failure: Failure, _: re.Match[str]) -> Error:
    return ResourceError(
        f"the disk is full: {failure.installable} cannot be built",
        hint="free space where Nix builds and stores (/nix, and TMPDIR or /tmp): `nix store gc` removes what nothing needs",
        detail=failure.end,
    )


def _builder(failure: Failure, found: re.Match[str]) -> Error:
    drv = found["drv"] or found["drv2"]
    tail = failure.tail(drv)
    if _NO_SPACE.search(tail):
        return _no_space(failure, found)
    if found["signal"]:
        return BuildError(
            f"building {name_of_derivation(drv)} failed: its builder was ended by signal {found['signal']}",
            hint="signal 9 mostly means that memory ran out: build fewer at a time (`nix-config: max-jobs = 1`, `cores = 1`)",
            detail=tail,
        )
    return BuildError(
        f"building {name_of_derivation(drv)} failed: its builder exited with code {found['code']}",
        hint=f"the end of its log is above; all of it: nix log {drv}",
        detail=tail,
    )


def _hash_mismatch(failure: Failure, found: re.Match[str]) -> Error:
    return BuildError(
        f"the source {name_of_derivation(found['drv'])} is not what the flake says: its hash is {found['got']}, not {found['specified']}",
        hint="if upstream changed it knowingly, put the new hash into the flake; else somebody tampered with it",
        detail=failure.end,
    )


def _system(failure: Failure, found: re.Match[str]) -> Error:
    wanted, have = found["wanted"] or found["wanted2"], found["have"] or found["have2"]
    features = (found["features"] or found["features2"] or found["features3"] or "").strip()
    if features and wanted == have:
        return BuildError(
            f"{failure.installable} needs a machine with the features {features}",
            hint="use a runner that has them (`kvm` needs /dev/kvm), or set system-features in `nix-config`",
            detail=failure.end,
        )
    return BuildError(
        f"{failure.installable} is for {wanted}, and this machine is {have}",
        hint=f"build on a runner for {wanted}, name a remote builder (`nix-config: builders = …`), "
        f"or install qemu's binfmt handlers and set `nix-config: extra-platforms = {wanted}`",
        detail=failure.end,
    )


def _missing_attribute(failure: Failure, found: re.Match[str]) -> Error:
    systems = re.search(r"packages\.([a-z0-9_]+-[a-z]+)", found[0])
    known = alternatives.packages_of(failure.nix, failure.installable, system=systems[1] if systems else "")
    wanted = failure.installable.attribute
    missing = re.search(r"\.([^.']+)'", found[0])
    if missing and (wanted or "default") in known and missing[1] != (wanted or "default").rpartition(".")[2]:
        return BuildError(
            f"{failure.installable} has no output {missing[1]!r}",
            hint="name one that the package has after `^`; without one, those of its `meta.outputsToInstall` are built",
        )
    return BuildError(
        f"the flake {failure.installable.flake} has no package {wanted!r}"
        if wanted
        else f"the flake {failure.installable.flake} has no default package",
        hint=alternatives.packages_hint(known, wanted=wanted),
        detail="" if known else failure.end,
    )


def _no_derivation(failure: Failure, _: re.Match[str]) -> Error:
    known = alternatives.packages_of(failure.nix, failure.installable)
    return BuildError(
        f"{failure.installable} is no package, but something that holds some, or a value",
        hint=alternatives.packages_hint(known, wanted=failure.installable.attribute),
        detail="" if known else failure.end,
    )


def _unfree(failure: Failure, found: re.Match[str]) -> Error:
    return BuildError(
        f"{failure.installable} needs {found['package']}, whose licence is unfree",
        hint="`allow-unfree: true` allows it for this build",
        detail=failure.end,
    )


def _impure(failure: Failure, _: re.Match[str]) -> Error:
    return BuildError(
        f"{failure.installable} reads something that is outside the flake",
        hint="give it to the flake as an input, or allow it with `impure: true`",
        detail=failure.end,
    )


def _feature(failure: Failure, found: re.Match[str]) -> Error:
    return BuildError(
        f"{failure.installable} needs Nix's experimental feature {found['feature']}",
        hint=f"`nix-config: extra-experimental-features = {found['feature']}`",
        detail=failure.end,
    )


def _forbidden(failure: Failure, found: re.Match[str]) -> Error:
    return BuildError(
        f"a source of {failure.installable} may not be read: {found['url']} answers {found['status']}",
        hint="a private repository or a rate limit: `nix-config: access-tokens = github.com=…`, from a secret",
        detail=failure.end,
    )


def _network(failure: Failure, _: re.Match[str]) -> Error:
    named = _REGISTERED.fullmatch(failure.installable.flake)
    return BuildError(
        f"something that {failure.installable} needs cannot be downloaded",
        hint=_registered(failure)
        if named
        else "check that its address is right and that this machine reaches it (proxy, firewall); it may also be down for now",
        detail=failure.end,
    )


def _registered(failure: Failure) -> str:
    name = failure.installable.flake
    return (
        f"`{name}` is looked up in Nix's registry of flakes; "
        f"an attribute of the flake here is written `.#{name}`, a folder `./{name}`"
    )


def _unknown_flake(failure: Failure, _: re.Match[str]) -> Error:
    name = failure.installable.flake
    return BuildError(f"there is no flake {name}", hint=_registered(failure), detail=failure.end)


def _missing_file(failure: Failure, found: re.Match[str]) -> Error:
    file = re.sub(r"^/nix/store/[^/]+-source/", "", found["file"] or found["file2"])
    return BuildError(
        f"{failure.installable} reads {file}, which is not in the flake's source",
        hint="check the name, and that the file is committed or at least added to git",
        detail=failure.end,
    )


def _no_repository(failure: Failure, _: re.Match[str]) -> Error:
    return BuildError(
        f"the git repository of {failure.installable} can't be opened",
        hint="`path:.` instead of `.` takes the files as they are; a worktree's or submodule's `.git` leads to a folder elsewhere, "
        "which a container must have too",
        detail=failure.end,
    )


def _search_path(failure: Failure, found: re.Match[str]) -> Error:
    return BuildError(
        f"{failure.installable} reads <{found['name']}>, and nothing says what that is",
        hint=f"say it with `nix-path: {found['name']}=PATH-OR-URL`, a pinned one, or with the variable NIX_PATH",
        detail=failure.end,
    )


def _daemon(failure: Failure, _: re.Match[str]) -> Error:
    return BuildError(
        "Nix's daemon does not answer or does not let us in",
        hint="start it (`systemctl start nix-daemon`) and be in the group that may use it, or run as root without it",
        detail=failure.end,
    )


def _fixed(failure: Failure, _: re.Match[str]) -> Error:
    return BuildError(
        "Nix can't write to its store: its file system is read-only",
        hint="in a container, mount a volume there: `-v flakeship-nix:/nix`",
        detail=failure.end,
    )


@dataclass(frozen=True, slots=True)
class _Cause:
    """An entry of the catalogue. `source` is True if the cause may be a file that git does not track."""

    pattern: str
    make: Callable[[Failure, re.Match[str]], Error]
    source: bool = False


_CAUSES: Final = (
    _Cause(
        rf"hash mismatch in fixed-output derivation {_DRV}:\s+specified:\s+(?P<specified>\S+)\s+got:\s+(?P<got>\S+)",
        _hash_mismatch,
    ),
    _Cause(_BUILDER, _builder, source=True),
    _Cause(_NO_SPACE.pattern, _no_space),
    _Cause(
        r"a '(?P<wanted>[^']+)' with features \{(?P<features>[^}]*)\} is required to build .* I am a '(?P<have>[^']+)'"
        r"|Required system: '(?P<wanted2>[^']+)'(?: with features \{(?P<features2>[^}]*)\})?\s+"
        r"Current system: '(?P<have2>[^']+)'|Required features: \{(?P<features3>[^}]*)\}",
        _system,
    ),
    _Cause(r"does not provide attribute [^\n]*", _missing_attribute, source=True),
    _Cause(r"flake output attribute '[^']+' (?:is not|to be) a derivation", _no_derivation, source=True),
    _Cause(r"cannot find flake 'flake:", _unknown_flake),
    _Cause(r"error: '[^'\n]*' is not a Git repository|opening Git repository ", _no_repository),
    _Cause(r"file '(?P<name>[^'/]+)' was not found in the Nix search path", _search_path),
    _Cause(r"Package .(?P<package>[^\n]+?). in [^\n]* has an unfree license", _unfree),
    _Cause(r"in pure eval(?:uation)? mode|use '--impure' to override", _impure),
    _Cause(r"experimental Nix feature '(?P<feature>[^']+)' is disabled", _feature),
    _Cause(r"'/nix/[^'\n]*': Read-only file system", _fixed),
    _Cause(
        r"daemon-socket/socket|error: opening lock file '/nix/|creating directory '/nix|could not set permissions on '/nix",
        _daemon,
    ),
    _Cause(r"unable to download '(?P<url>[^']+)': HTTP error (?P<status>401|403|404|429)", _forbidden),
    _Cause(
        r"unable to download '|[Cc]ould ?n[o']t (?:resolve host|connect to server)|Failed to connect to"
        r"|unable to access 'http|[Cc]onnection (?:refused|timed out|reset by peer)|Network is unreachable"
        r"|Temporary failure in name resolution",
        _network,
    ),
    _Cause(
        r"getting status of '/nix/store/[^/']+-source/(?P<file>[^']+)'|[Pp]ath '(?P<file2>[^']+)' (?:does not exist|in the repository|is not tracked)",
        _missing_file,
        source=True,
    ),
)
