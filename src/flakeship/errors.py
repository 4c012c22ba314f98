"""The errors that end a run. The class gives the exit code; the text says what failed, why, and what to do next."""

from __future__ import annotations

import errno
from typing import Final

DOCS: Final = "https://github.com/flakeship/flakeship/blob/main/docs"
"""Where users read the docs, who have no checkout of the project."""


class Error(Exception):
    """A failure that is reported to the user. Any other exception that reaches `cli.main` is a bug.

    `message` says what failed and why in one or two sentences, `hint` says what to do next, and `detail` quotes
    others: the end of a build log, a registry's response. None of them holds a secret.
    """

    exit_code: int = 1
    usual_hint: str = ""
    """What to do where an error of this class has no hint of its own."""

    def __init__(self, message: str, *, hint: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = detail


class UsageError(Error):
    """An input is malformed or unknown, or contradicts another input."""

    exit_code = 2


class BuildError(Error):
    """Nix is missing, or failed to evaluate or to build."""

    exit_code = 3


class NotAnImageError(Error):
    """The build result, or the source, is not an image or is damaged."""

    exit_code = 4


class NotAllowedError(Error):
    """The registry or a rule of ours refuses the push: bad credentials, or an immutable tag with another image."""

    exit_code = 5


class UnreachableError(Error):
    """The registry or the network failed, and retries did not help."""

    exit_code = 6
    usual_hint = "set `log-level: debug` to see each request, and ask whoever runs the registry, or a proxy in front of it, for its log"


class SourceUnreachableError(BuildError):
    """Nix can't reach what it has to download: that of a registry has the same exit code, for a later try may do."""

    exit_code = 6


class RejectedError(Error):
    """A check refuses the image: lint, or the comparison of digests or of two builds. Of `doctor`: one of its checks failed."""

    exit_code = 7


class ResourceError(Error):
    """This machine has too little of something: disk space, memory or file handles."""

    exit_code = 8


class CancelledError(Error):
    """A signal ended the run. The exit code is 128 plus the signal's number; `remark` says what the run left behind."""

    def __init__(self, signal_number: int, remark: str = "", *, hint: str = "", detail: str = "") -> None:
        message = f"cancelled by signal {signal_number}" + (f"; {remark}" if remark else "")
        super().__init__(message, hint=hint, detail=detail)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number


def is_out_of_files(error: OSError) -> bool:
    """Tell whether no further file or connection can be opened: by this process, or on this machine."""
    return error.errno in {errno.EMFILE, errno.ENFILE}


def is_disk_full(error: OSError) -> bool:
    """Tell whether a file could not be written because there is no room: on the disk, or in the user's share of it."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}


def advice(error: OSError, otherwise: str) -> str:
    """The hint for an OSError: what its number asks for, and `otherwise` where that says nothing."""
    if is_disk_full(error):
        return "free some space on that disk"
    return _LIMITS.get(error.errno or 0, otherwise)


_LIMITS: dict[int, str] = {
    errno.EMFILE: "raise `ulimit -n`, or lower `max-concurrent-uploads`: this process has too many files open",
    errno.ENFILE: "end other programs, or raise fs.file-max: this machine has too many files open",
    errno.ENOMEM: "free some memory, or raise its limit (`ulimit -v`, or that of the container)",
}
