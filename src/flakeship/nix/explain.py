"""The catalogue of Nix's error messages, in the words of Nix 2.8 to 2.34, and the error that each becomes."""

from __future__ import annotations

import json
import re
from typing import Any, Final
from urllib.parse import quote, unquote

from flakeship.errors import BuildError, Error, ResourceError, SourceUnreachableError
from flakeship.nix import elsewhere, missing, refusals, repositories
from flakeship.nix.cause import Cause
from flakeship.nix.command import Nix
from flakeship.nix.failure import NO_SPACE, Failure
from flakeship.nix.installable import Installable
from flakeship.nix.untracked import hint_untracked
from flakeship.outside.mounted import as_root_hint, in_container, other_half
from flakeship.printable import counted
from flakeship.store_paths import name_of_derivation

_DRV: Final = r"'(?P<drv>/nix/store/[^']+\.drv)'"
_BUILDER: Final = (
    rf"(?:builder for {_DRV}|Cannot build '(?P<drv2>[^']+\.drv)'\.\s+Reason: builder) failed "
    r"(?:with exit code (?P<code>\d+)|due to signal (?P<signal>\d+))"
)
_REGISTERED: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?:/[A-Za-z0-9_.-]+)*/?")
_OF_URLS: Final = "!$&'()*+,;=:@/?%"
_NO_LETTER_OF_URLS: Final = r"[^A-Za-z0-9._~!$&'()*+,;=:@/?%-]"


def explain_failure(failure: Failure) -> Error:
    """Return the error for the first entry of the catalogue that matches; without a match, quote Nix's last error.

    Entries that say more about the cause stand first.
    """
    said = failure.said
    for cause in _CAUSES:
        found = re.search(cause.pattern, said, re.DOTALL)
        if found and (error := cause.make(failure, found)):
            return _with_unseen(failure, error) if cause.source else error
    return _with_unseen(failure, _unknown(failure))


def query_installable(nix: Nix, installable: Installable, verb: str, *arguments: str) -> Any:
    """Run a nix command about an installable and return its JSON. It raises the errors that a build raises."""
    done = nix.run(verb, *arguments, cwd=installable.cwd)
    if done.returncode == 0:
        try:
            return json.loads(done.stdout)
        except (ValueError, RecursionError) as error:
            raise BuildError(
                f"nix {verb} printed no JSON that can be read: {done.stdout[:200]!r}",
                hint=f"use one of Nix 2.8 to 2.34, which are known to work; this is {nix.release}",
            ) from error
    failure = Failure(nix, installable, done.returncode)
    for line in done.stderr.splitlines():
        failure.log.take(line)
    if failure.may_be_cached:
        return query_installable(nix.without_evaluation_cache(), installable, verb, *arguments)
    raise explain_failure(failure)


def _with_unseen(failure: Failure, error: Error) -> Error:
    """The error with a hint at a file that Nix does not see, where it speaks of one: untracked, of a submodule, or in git LFS."""
    if not isinstance(error, BuildError) or isinstance(error, missing.NoOutputError):
        return error
    hint = (
        hint_untracked(failure.installable, _told(failure), environ=failure.nix.environ)
        or repositories.hint_submodule(failure)
        or repositories.hint_lfs(failure)
    )
    if hint and hint != error.hint:
        error.hint = f"{hint}; {error.hint}" if error.hint else hint
    return error


def _told(failure: Failure) -> str:
    """What the failure tells, and files that may hold the attribute: flakes often read a folder and name packages after files."""
    wanted = failure.installable.names[-1:] if "does not provide attribute" in failure.said else ()
    return "\n".join((failure.told, *(f"missing: '{name}.nix' '{name}'" for name in wanted)))


def _unknown(failure: Failure) -> Error:
    """Quote the last error line, with the reason that Nix 2.34 prints on the next line."""
    found = re.findall(r"error: *([^\n]+)(?:\n\s+Reason: ([^\n]+))?", failure.said)
    last = " ".join(filter(None, found[-1])) if found else f"nix failed with exit code {failure.returncode}"
    return BuildError(
        f"{failure.installable} can't be built: {last}",
        hint=f"run `nix build {failure.installable.spelled} --show-trace`, which shows how Nix got there",
        detail=failure.end,
    )


def _no_space(failure: Failure, _: re.Match[str]) -> Error:
    """Nix does not say whose disk it was where two machines have a part in it."""
    given = [store for drv, store in failure.log.machines.items() if drv in failure.said]
    if store := failure.nix.store or "".join(given[:1]):
        other = store.partition("://")[2].partition("?")[0]
        return ResourceError(
            f"the disk of {other} is full, or that of this machine: {failure.installable} can't be built",
            hint=f"look at both (`df /nix`), and first at {other}: `nix store gc` there removes what nothing needs",
            detail=failure.end,
        )
    return ResourceError(
        f"the disk is full: {failure.installable} can't be built",
        hint="free some space where Nix builds and stores (/nix, and TMPDIR or /tmp): `nix store gc` removes what nothing needs",
        detail=failure.end,
    )


def _builder(failure: Failure, found: re.Match[str]) -> Error:
    drv = found["drv"] or found["drv2"]
    tail = failure.tail(drv)
    if failure.lacked_space(drv):
        return _no_space(failure, found)
    if found["signal"]:
        return BuildError(
            f"building {name_of_derivation(drv)} failed: its builder was ended by signal {found['signal']}",
            hint="build fewer at a time if memory ran out, which signal 9 mostly means: `nix-config: max-jobs = 1` and `cores = 1`",
            detail=tail,
        )
    withheld = " and ".join(dict.fromkeys(re.findall(r"\bNIX_\w*PRIVATE_(?:USERNAME|PASSWORD)\b", tail)))
    given = (
        f"name {withheld} in `pass-env`, since a build gets no other secret; "
        "with a nix-daemon, set them in the daemon's own environment; "
    )
    return BuildError(
        f"building {name_of_derivation(drv)} failed: its builder exited with code {found['code']}",
        hint=f"{given if withheld else ''}{_where_the_log_is(failure, drv)}",
        detail=tail,
    )


def _timed_out(failure: Failure, found: re.Match[str]) -> Error:
    seconds = counted(int(found["seconds"]), "second")
    why = f"nothing was heard of it for {seconds}" if found["silent"] else f"it took more than {seconds}"
    setting = "max-silent-time" if found["silent"] else "timeout"
    where = "nix.conf of the machine of `store`" if failure.nix.store else "nix-config or nix.conf"
    return BuildError(
        f"building {name_of_derivation(found['drv'])} was ended: {why}, which is its limit (`{setting}`)",
        hint=f"raise `{setting}` in {where} if it needs longer, and see what it did last: {_where_the_log_is(failure, found['drv'])}",
        detail=failure.tail(found["drv"]),
    )


def _where_the_log_is(failure: Failure, drv: str) -> str:
    if in_container(failure.nix.environ):  # whose store is gone with it
        return "read the end of its log above, and all of it further up: it was printed while the build ran"
    return f"read the end of its log above, or all of it: `nix log {drv}`"


def _hash_mismatch(failure: Failure, found: re.Match[str]) -> Error:
    return BuildError(
        f"the source {name_of_derivation(found['drv'])} is not what the flake says: its hash is {found['got']}, not {found['specified']}",
        hint="put the new hash into the flake if the author of the source changed it; if not, somebody tampered with it",
        detail=failure.end,
    )


def _impure(failure: Failure, _: re.Match[str]) -> Error:
    return BuildError(
        f"{failure.installable} reads something that is outside the flake",
        hint="make it an input of the flake, or set `impure: true`",
        detail=failure.end,
    )


def _feature(failure: Failure, found: re.Match[str]) -> Error:
    return BuildError(
        f"{failure.installable} needs Nix's experimental feature {found['feature']}",
        hint=f"set `nix-config: extra-experimental-features = {found['feature']}`",
        detail=failure.end,
    )


def _forbidden(failure: Failure, found: re.Match[str]) -> Error:
    return BuildError(
        f"a source of {failure.installable} can't be read: {found['url']} answers {found['status']}",
        hint="set `nix-config: access-tokens = HOST=TOKEN`, from a secret: the source is private, or a rate limit was reached",
        detail=failure.end,
    )


def _network(failure: Failure, found: re.Match[str]) -> Error:
    name = failure.installable.flake
    reach = "this machine reaches it (proxy, firewall); it may also be down at the moment"
    if not _REGISTERED.fullmatch(name):
        hint = f"check its address, and that {reach}"
    elif failure.installable.attribute:
        hint = (
            f"check that this machine reaches the network (proxy, firewall): Nix looks {name!r} up in its registry of "
            f"flakes, and downloads it; for a folder write `./{name}`"
        )
    else:
        hint = _registered(failure)
    url = (found["url"] or found["url2"] or repositories.fetched(failure)).partition("?")[0]
    what = f": {url}" if url else ""
    return SourceUnreachableError(
        f"something that {failure.installable} needs can't be downloaded{what}",
        hint=hint,
        detail=failure.end,
    )


def _registered(failure: Failure) -> str:
    name = failure.installable.flake
    attribute = "" if "/" in name else f"`.#{name}` for an attribute of the flake here, or "
    return f"write {attribute}`./{name}` for a folder: Nix looks {name!r} up in its registry of flakes"


def _unknown_flake(failure: Failure, _: re.Match[str]) -> Error:
    name = failure.installable.flake
    return BuildError(f"there is no flake {name}", hint=_registered(failure), detail=failure.end)


def _missing_file(failure: Failure, found: re.Match[str]) -> Error:
    file = re.sub(r"^(?:/nix/store/[^/]+-source|«[^»]*»)/", "", found["file"] or found["file2"])
    return BuildError(
        f"{failure.installable} reads {file}, which is not in the flake's source",
        hint=repositories.hint_submodule(failure)
        or "check the name, and that the file is committed or at least added to git",
        detail=failure.end,
    )


def _no_repository(failure: Failure, _: re.Match[str]) -> Error:
    folder = failure.installable.directory
    half = other_half(folder) if folder else None
    as_they_are = "write `path:.` instead of `.`, which takes the files as they are and knows no commit"
    contained = in_container(failure.nix.environ)
    if half and half.is_here and half.elsewhere:
        return BuildError(
            f"the git repository of {failure.installable} can't be read: git knows this worktree at {half.elsewhere}, and that folder is "
            "not here",
            hint=f"mount both halves where they lie (in the worktree: `docker run {half.mount} …`), or {as_they_are}"
            if contained
            else f"repair it (`git worktree repair`, in the worktree itself), or {as_they_are}",
            detail=failure.end,
        )
    if half is None or half.is_here:
        return BuildError(
            f"the git repository of {failure.installable} can't be opened",
            hint=f"{as_they_are}, or make the folder available that the `.git` of a worktree or submodule leads to, in a container too",
            detail=failure.end,
        )
    return BuildError(
        f"the git repository of {failure.installable} can't be opened: this is a worktree or a submodule, and its other half, "
        f"{half.folder}, is not here",
        hint=f"mount both halves (`docker run {half.mount} …`), or {as_they_are}"
        if contained
        else f"repair it (`git worktree repair`, in the repository itself), or {as_they_are}",
        detail=failure.end,
    )


def _odd_folder(failure: Failure, found: re.Match[str]) -> Error | None:
    """A folder whose name is put into a URL as it is: by Nix 2.8 where it finds a git repository, or by the user."""
    flake, folder = failure.installable.flake, str(failure.installable.directory or "")
    scheme, colon, _ = flake.partition(":")
    odd = "".join(
        dict.fromkeys(
            re.findall(
                _NO_LETTER_OF_URLS if colon else r"[^A-Za-z0-9._~!$&'()*+,;=:@/-]", flake if colon else folder
            )
        )
    )
    if colon and odd and (found["url"] or f"/{scheme}:" in (found["file"] or "")):
        encoded = quote(flake, safe=_OF_URLS)
        return BuildError(
            f"{failure.nix.release} does not read {flake!r} as a URL",
            hint=f"change to that folder and write `path:.`, or write `{encoded}`, which Nix 2.8 does not decode"
            if scheme == "path"
            else f"write `{encoded}`: characters that a URL can't hold are percent-encoded",
            detail=failure.end,
        )
    if colon or not odd or not (found["url"] or re.search("[#?]", odd)):
        return None
    return BuildError(
        f"{failure.nix.release} reads no git repository in a folder with {odd!r} in its name: {folder}",
        hint="write `git+file:.` or `path:.` in the place of `.`, rename the folder, or take a newer Nix",
        detail=failure.end,
    )


def _undecoded(failure: Failure, found: re.Match[str]) -> Error | None:
    """A `path:` whose percent signs Nix takes for a part of the folder's name."""
    if unquote(found["file"]) != str(failure.installable.directory):
        return None
    return BuildError(
        f"{failure.nix.release} reads no `%` in a `path:`, and there is no folder {found['file']}",
        hint="change to that folder and write `path:.`, rename the folder, or take a newer Nix",
        detail=failure.end,
    )


def _search_path(failure: Failure, found: re.Match[str]) -> Error:
    return BuildError(
        f"{failure.installable} reads <{found['name']}>, and the search path of Nix has no such entry",
        hint=f"set `nix-path: {found['name']}=PATH-OR-URL`, a pinned one, or the variable NIX_PATH",
        detail=failure.end,
    )


def _daemon(failure: Failure, _: re.Match[str]) -> Error:
    return BuildError(
        "Nix's daemon does not answer, or this user may not connect to it",
        hint=as_root_hint(failure.nix.environ)
        or "start it (`systemctl start nix-daemon`), run as a user who may use it, or run as root without it",
        detail=failure.end,
    )


def _fixed(failure: Failure, _: re.Match[str]) -> Error:
    return BuildError(
        "Nix can't write to its store: its file system is read-only",
        hint="in a container, mount a volume there: `-v flakeship-nix:/nix`",
        detail=failure.end,
    )


def _no_cache_folder(failure: Failure, found: re.Match[str]) -> Error | None:
    """Nix keeps what it evaluated and fetched in the user's cache folder, and makes it and the folders above."""
    environ = failure.nix.environ
    cache = environ.get("XDG_CACHE_HOME") or f"{environ.get('HOME', '')}/.cache"
    folder = found["made"] or found["file"]
    if not (folder == cache or cache.startswith(f"{folder}/") or folder.startswith(f"{cache}/")):
        return None
    return ResourceError(
        f"Nix can't write to its cache folder: {found['reason'] or 'this is no folder'}: {folder}",
        hint="set HOME or XDG_CACHE_HOME to a folder that this user may write to",
        detail=failure.end,
    )


_CAUSES: Final = (
    Cause(
        rf"hash mismatch in fixed-output derivation {_DRV}:\s+specified:\s+(?P<specified>\S+)\s+got:\s+(?P<got>\S+)",
        _hash_mismatch,
    ),
    *elsewhere.TRUST_CAUSES,
    Cause(
        r"(?P<drv>/nix/store/[^'!^\s]+\.drv)[^\n]* timed out after (?P<seconds>\d+) seconds(?P<silent> of silence)?",
        _timed_out,
    ),
    Cause(_BUILDER, _builder, source=True),
    Cause(NO_SPACE.pattern, _no_space),
    *elsewhere.CAUSES,
    *missing.CAUSES,
    Cause(r"cannot find flake 'flake:", _unknown_flake),
    Cause(
        r"error: '[^'\n]*' is not a Git repository|opening Git repository |getting working directory status: failed to open",
        _no_repository,
    ),
    Cause(r"getting status of [\"'](?P<file>/[^\"'\n]*%[0-9A-Fa-f]{2}[^\"'\n]*)", _undecoded),
    Cause(
        r"error: '(?P<url>[^'\n]*)' is not a valid URL|program 'git' failed"
        r"|getting status of [\"'](?P<file>[^\"'\n]*/[a-z+]+:[^\"'\n]*)",
        _odd_folder,
    ),
    *repositories.CAUSES,
    Cause(r"file '(?P<name>[^'/]+)' was not found in the Nix search path", _search_path),
    *refusals.CAUSES,
    Cause(r"in pure eval(?:uation)? mode|use '--impure' to override", _impure),
    Cause(r"experimental Nix feature '(?P<feature>[^']+)' is disabled", _feature),
    Cause(r"'/nix/[^'\n]*': Read-only file system", _fixed),
    Cause(
        r"daemon-socket/socket|error: opening lock file '/nix/|creating directory '/nix|could not set permissions on '/nix",
        _daemon,
    ),
    Cause(
        r"error: (?:creating directory '(?P<made>[^'\n]+)': (?P<reason>[^\n]+)|'(?P<file>[^'\n]+)' is not a directory)",
        _no_cache_folder,
    ),
    Cause(r"unable to download '(?P<url>[^']+)': HTTP error (?P<status>401|403|404|429)", _forbidden),
    Cause(
        r"unable to download '(?P<url>[^'\n]+)'|unable to access '(?P<url2>http[^'\n]+)'|[Cc]ould ?n[o']t (?:resolve host|connect to server)|Failed to connect to"
        r"|[Cc]onnection (?:refused|timed out|reset by peer)|Network is unreachable"
        r"|Temporary failure in name resolution",
        _network,
    ),
    Cause(
        r"getting status of '/nix/store/[^/']+-source/(?P<file>[^']+)'|[Pp]ath '(?P<file2>[^']+)' (?:does not exist|in the repository|is not tracked)",
        _missing_file,
        source=True,
    ),
)
