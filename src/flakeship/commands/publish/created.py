"""The input `created`: what may be written, and the moment it means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from flakeship.commands.publish.obtain import Builder
from flakeship.errors import UsageError
from flakeship.metadata.context import Context

if TYPE_CHECKING:
    from flakeship.nix.flake import FlakeMetadata

CommitTime: TypeAlias = Callable[[], datetime | None]
"""When the source was committed; None where nobody knows."""

_WORDS: Final = frozenset({"auto", "keep", "now", "commit"})
_HINT: Final = "write auto, keep, now, commit, a date such as 2026-01-31T12:00:00Z, or seconds since 1970"


def check_created(text: str, environ: Mapping[str, str]) -> None:
    """UsageError for what is none of these, and for a SOURCE_DATE_EPOCH that is no number. Asks nobody."""
    if text not in _WORDS:
        _moment(text, "created")
    elif text == "auto" and (epoch := environ.get("SOURCE_DATE_EPOCH")):
        _epoch(epoch, "SOURCE_DATE_EPOCH")


def check_commit(text: str, builder: Builder | None, context: Context) -> None:
    """UsageError where `commit` has no answer. Asks Nix, which fetches the flake, only if git and CI know none."""
    if text != "commit" or context.committed:
        return
    flake = _source_of(builder) if builder else None
    if flake is None or flake.last_modified is None:
        raise _no_commit()


def _source_of(builder: Builder) -> FlakeMetadata | None:
    from flakeship.nix.flake import source_of  # most dates are known without Nix

    return source_of(builder.nix, builder.installable)


def moment_of(
    text: str, *, environ: Mapping[str, str], now: datetime, commit_time: CommitTime
) -> datetime | None:
    """The date to write; None to leave the image's own. `auto` takes the first that is known.

    https://reproducible-builds.org/specs/source-date-epoch/
    """
    match text:
        case "keep":
            return None
        case "now":
            return now
        case "auto":
            epoch = environ.get("SOURCE_DATE_EPOCH")
            return _epoch(epoch, "SOURCE_DATE_EPOCH") if epoch else commit_time()
        case "commit":
            if moment := commit_time():
                return moment
            raise _no_commit()
        case _:
            return _moment(text, "created")


def _no_commit() -> UsageError:
    return UsageError(
        "created is `commit`, but the source is in no git repository that tells its commit's date",
        hint="check out with history (fetch-depth: 1 is enough), or use `created: auto`",
    )


def _moment(text: str, name: str) -> datetime:
    if text.isascii() and text.removeprefix("-").isdigit():
        return _epoch(text, name)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{name} is {text!r}, which is no date", hint=_HINT) from error
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise UsageError(
            f"{name} is {text!r}, which is before the year 1 or after 9999", hint=_HINT
        ) from error


def _epoch(text: str, name: str) -> datetime:
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(
            f"{name} is {text!r}, which is not a number of seconds since 1970", hint=_HINT
        ) from error
