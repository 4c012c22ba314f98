"""Sources of a flake that git or its lock file can't give: private, shallow or absent repositories, submodules, LFS."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from flakeship.errors import BuildError, Error, NotAllowedError, SourceUnreachableError
from flakeship.nix.cause import Cause
from flakeship.nix.failure import Failure
from flakeship.nix.ssh_failure import SshCause, host_of, quoted, ssh_failure
from flakeship.nix.untracked import lines_about_absence

LFS_POINTER: Final = "version https://git-lfs.github.com/spec/"
"""How a pointer of git LFS begins, which stands for a file: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md."""

_HINT_LFS: Final = (
    "fetch the files by `git lfs pull` (actions/checkout: `lfs: true`), "
    "and take them into the flake's source by `?lfs=1` behind its address, from Nix 2.27 on"
)
_GIT: Final = re.compile(
    r"(?m)^(?:fatal|remote|error|ssh|git@\S+|\S+@\S+): .*|^Host key verification failed.*"
)
_GENERAL: Final = ("Could not read from remote repository", "the remote end hung up")
_UNREACHABLE: Final = re.compile(
    r"[Cc]ould ?n[o']t resolve host|Connection (?:refused|timed out|reset)|Network is unreachable|No route to host"
    r"|Failed to connect to|Temporary failure in name resolution|Name or service not known"
)
_BY_HTTP: Final = re.compile(
    r"could not read (?:Username|Password)|Authentication failed|terminal prompts disabled|Access denied"
    r"|returned error: 40[13]|[Rr]epository .*not found|Invalid username or"
)
_BY_SSH: Final = re.compile(r"Permission denied \(|Host key verification failed|cannot run ssh")
_OF_SOURCE: Final = re.compile(r"/nix/store/[a-z0-9]{32}-source")


def _fetched_by_git(failure: Failure, found: re.Match[str]) -> Error | None:
    """Git says why, beside Nix's log, and Nix that git failed. Not for a network that Nix itself speaks of."""
    if "unable to download '" in failure.said and _UNREACHABLE.search(failure.said):
        return None
    said = (line.strip() for line in _GIT.findall(failure.around))
    lines = [line for line in said if not re.search(found.re, line)]
    if refused := _unknown_host(failure):
        return refused
    unreachable = next((line for line in failure.said.splitlines() if _UNREACHABLE.search(line)), "")
    telling = _telling(lines) or unreachable.strip().removeprefix("error: ")
    url = found["url"] or found["folder"] or fetched(failure)
    if submodule := _submodule_at(failure, url):
        return BuildError(
            f"the submodule {submodule} of {failure.installable} is not checked out",
            hint="run `git submodule update --init` to fetch it (actions/checkout: `submodules: true`; GitLab: "
            "GIT_SUBMODULE_STRATEGY)",
            detail=failure.end,
        )
    repository = f"the git repository {url}" if url else "a git repository"
    absent = ": it does not exist" if found["folder"] else ""
    why = f': git says "{telling}"' if telling else absent
    kind = SourceUnreachableError if unreachable or _UNREACHABLE.search(telling) else BuildError
    return kind(
        f"{repository}, which {failure.installable} needs, can't be fetched{why}",
        hint=_what_to_give(telling),
        detail="\n".join((*lines, failure.end)),
    )


def _unknown_host(failure: Failure) -> Error | None:
    """The refusal of ssh to speak to a host; None where it is something else that failed."""
    if "Host key verification failed" not in failure.around:
        return None
    known = ssh_failure(failure.around)
    detail, named = quoted(failure.around), host_of(failure.around)
    if known and known.cause is SshCause.CHANGED_HOST_KEY:
        return NotAllowedError(
            f"the host {named} shows another key than the one that is known: somebody may be in its "
            f"place. Nothing of {failure.installable} was fetched from it",
            hint="compare the key that it shows with the one that it publishes; if it has a new one, mend the line of "
            "ssh-known-hosts, or of ~/.ssh/known_hosts",
            detail=detail,
        )
    host = f"the host {named}" if named else "a host"
    return NotAllowedError(
        f"{host} is not known, and ssh fetches nothing of {failure.installable} from a stranger",
        hint="give its line by the input ssh-known-hosts: `ssh-keyscan HOST` prints it (`-p PORT`); compare it with what the "
        "host publishes. ssh reads ~/.ssh/known_hosts too",
        detail=detail,
    )


def _telling(lines: Sequence[str]) -> str:
    """The line that tells the cause: git ends with what follows from it, and a server may speak before."""
    own = [line for line in lines if not any(words in line for words in _GENERAL)]
    known = [
        line for line in own if any(pattern.search(line) for pattern in (_UNREACHABLE, _BY_HTTP, _BY_SSH))
    ]
    fatal = [line for line in own if line.startswith("fatal:")]
    return next(iter((*known, *fatal, *own, *lines)), "")


def _what_to_give(said: str) -> str:
    if "Permission denied (" in said:
        return (
            "give a key that may read it, by the input ssh-key (on GitHub: a deploy key of that repository; a secret that does not "
            "exist is empty, as if there were no key), or in an agent (SSH_AUTH_SOCK)"
        )
    if "cannot run ssh" in said:
        return "install an ssh client, or take the repository by https"
    if _UNREACHABLE.search(said):
        return "check its address, and that this machine reaches it (proxy, firewall); it may also be down at the moment"
    if _BY_HTTP.search(said):
        return (
            "check that it exists; if it is private, give git a credential in a step before: `git config --global "
            "url.https://x-access-token:TOKEN@HOST/.insteadOf https://HOST/`, or a netrc file; for a flake input written `github:` or "
            "`gitlab:` set `nix-config: access-tokens = HOST=TOKEN`"
        )
    return (
        "check the address, the branch and the revision, and that this machine may read it: over https, git takes a token from "
        "its configuration or a netrc file; over ssh, a key from `ssh-key` or an agent (SSH_AUTH_SOCK)"
    )


def fetched(failure: Failure) -> str:
    """The repository that Nix was fetching, by its trace or its log; empty where neither tells."""
    lines = f"{failure.text}\n{failure.around}"
    found = re.findall(r"fetching (?:the input|Git repository) '(?:git\+)?([^'?]+)", lines)
    return found[-1] if found else ""


def _shallow(failure: Failure, _: re.Match[str]) -> Error:
    return BuildError(
        f"the git repository of {failure.installable} lacks a part of its history, which Nix needs for this address",
        hint="write `?shallow=1` behind the address, or `.` for the repository here, "
        "or check out all of it (actions/checkout: `fetch-depth: 0`; GitLab: GIT_DEPTH: 0)",
        detail=failure.end,
    )


def _no_revision(failure: Failure, found: re.Match[str]) -> Error | None:
    """Other sets may lack a `rev` too: the source that Nix quotes shows whose it is."""
    name = found["name"]
    if not re.search(r"\bself\b|sourceInfo", failure.text):
        return None
    if "Count" in name:
        why = "a shallow checkout has none, nor has one with changes"
        hint = "check out all of it (actions/checkout: `fetch-depth: 0`; GitLab: GIT_DEPTH: 0), or write `self.revCount or 0`"
    else:
        why = "the sources have changes that are not committed, or are in no git repository"
        hint = f'commit them, or write `self.{name} or self.{"dirtyRev" if name == "rev" else "dirtyShortRev"} or "dirty"`'
    return BuildError(
        f"{failure.installable} asks for `{name}`, which its source does not have: {why}",
        hint=hint,
        detail=failure.end,
    )


def _lock_version(failure: Failure, found: re.Match[str]) -> Error:
    return BuildError(
        f"flake.lock has version {found['version']}, which {failure.nix.release} does not read",
        hint="take a newer Nix, or write the file anew with this one: `nix flake lock`",
        detail=failure.end,
    )


def _broken_lock(failure: Failure, _: re.Match[str]) -> Error | None:
    """Nix 2.8 does not say which JSON it is, which may be one that the flake reads."""
    if "flake.lock" not in failure.said and not _is_broken(failure.installable.directory):
        return None
    return BuildError(
        f"flake.lock of {failure.installable} is not JSON",
        hint="take the committed one by `git checkout HEAD -- flake.lock` if a merge conflict is left in it, and complete it by `nix flake lock`",
        detail=failure.end,
    )


def _is_broken(folder: Path | None) -> bool:
    try:
        if folder:
            json.loads((folder / "flake.lock").read_bytes())
    except OSError:
        return False
    except (ValueError, RecursionError):
        return True
    return False


def hint_lfs(failure: Failure) -> str:
    """The hint for a failure that quotes a pointer of git LFS, as source or in a log; empty for any other."""
    quoted = LFS_POINTER in failure.text or LFS_POINTER in failure.told
    return f"{_HINT_LFS}: a file is a pointer of git LFS" if quoted else ""


def hint_submodule(failure: Failure) -> str:
    """The hint for a failure that speaks of a path in a submodule, which Nix leaves out; empty for any other."""
    if "submodules=1" in failure.installable.flake:
        return ""
    told = lines_about_absence(failure.told)
    named = next(
        (path for path in submodules(failure) if re.search(rf"(?<![\w.-]){re.escape(path)}(?![\w-])", told)),
        "",
    )
    if not named:
        return ""
    flake = failure.installable.flake
    address = (
        f"{flake}{'&' if '?' in flake else '?'}submodules=1"
        if failure.installable.directory
        else "ADDRESS?submodules=1"
    )
    by_git = "" if not flake.startswith(("github:", "gitlab:")) else ", of a git+https: address"
    return (
        f"write `{address}`{by_git}, since Nix leaves out the submodule {named} otherwise; "
        "check it out too in the repository here (actions/checkout: `submodules: true`)"
    )


def submodules(failure: Failure) -> tuple[str, ...]:
    """The paths of the submodules of the source that failed: of the repository here, or of one that Nix put into its store."""
    folder = failure.installable.directory
    here = (
        next((top for top in (folder, *folder.parents) if (top / ".git").exists()), None) if folder else None
    )
    sources = [here] if here else [Path(path) for path in sorted(set(_OF_SOURCE.findall(failure.text)))]
    paths: list[str] = []
    for source in sources:
        try:
            text = (source / ".gitmodules").read_text(errors="replace")
        except OSError:
            continue
        paths += re.findall(r"(?m)^\s*path\s*=\s*(\S.*?)\s*$", text)
    return tuple(paths)


def _submodule_at(failure: Failure, url: str) -> str:
    return next(
        (path for path in submodules(failure) if url.startswith(("file:", "/")) and url.endswith("/" + path)),
        "",
    )


CAUSES: Final = (
    Cause(r"is a shallow Git repository", _shallow),
    Cause(
        r"program 'git' failed with exit code|Failed to fetch git repository '(?P<url>[^']+)'"
        r"|error: resolving Git reference '|[Cc]annot find Git revision '"
        r"|error: Git repository ['\"](?P<folder>[^'\"]+)['\"] does not exist",
        _fetched_by_git,
    ),
    Cause(r"lock file '[^'\n]*' has unsupported version (?P<version>\d+)", _lock_version),
    Cause(r"json\.exception\.parse_error|flake\.lock': ", _broken_lock),
    Cause(r"error: attribute '(?P<name>revCount|rev|shortRev)' missing", _no_revision),
)
