"""Every error that ends a run: its class is the exit code, its text says what failed, why, and what to do next."""

from __future__ import annotations


class Error(Exception):
    """A failure that the user is told about in their own words; anything else that is raised is a bug.

    `message` says what failed and why in one or two sentences, `hint` what to do next, `detail` holds
    lines that others wrote (the tail of a build log, a registry's answer). None of them holds a secret.
    """

    exit_code: int = 1

    def __init__(self, message: str, *, hint: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = detail


class UsageError(Error):
    """An input is malformed, unknown, or contradicts another."""

    exit_code = 2


class BuildError(Error):
    """Nix is missing, or could not evaluate or build."""

    exit_code = 3


class NotAnImageError(Error):
    """What Nix made, or what was given as the source, is no image, or a broken one."""

    exit_code = 4


class NotAllowedError(Error):
    """The registry, or our own rules, refuse: credentials missing or refused, an immutable tag that differs."""

    exit_code = 5


class UnreachableError(Error):
    """The registry or the network failed for longer than the retry policy bears with."""

    exit_code = 6


class RejectedError(Error):
    """The image was refused by a check: lint, signature, verification of its digests."""

    exit_code = 7


class ResourceError(Error):
    """This machine lacks something: disk, memory, file handles."""

    exit_code = 8


class CancelledError(Error):
    """A signal ended the run; the exit code is 128 plus the signal's number. `remark` says what is left behind."""

    def __init__(self, signal_number: int, remark: str = "", *, hint: str = "", detail: str = "") -> None:
        said = f"cancelled by signal {signal_number}" + (f"; {remark}" if remark else "")
        super().__init__(said, hint=hint, detail=detail)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number
