"""The input `created`: what may be written, and the moment it means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from flakeship import events
from flakeship.errors import UsageError

if TYPE_CHECKING:
    from flakeship.nix.flake import FlakeMetadata

_OF_A_SHELL: Final = "315532800"
"""1980-01-01, which nixpkgs' stdenv sets where nobody has set another:

https://github.com/NixOS/nixpkgs/blob/master/pkgs/stdenv/generic/setup.sh
"""

_WORDS: Final = frozenset({"auto", "keep", "now", "commit"})
_HINT: Final = "write auto, keep, now, commit, a date such as 2026-01-31T12:00:00Z, or seconds since 1970"


@dataclass(frozen=True, slots=True)
class Created:
    """`auto`, `keep`, `now`, `commit`, or `fixed` with the moment that the user wrote; `now` is when the run began."""

    kind: str
    now: datetime
    fixed: datetime | None = None

    @classmethod
    def parse(
        cls, text: str, *, environ: Mapping[str, str], now: datetime, emit: events.Emit = events.ignore
    ) -> Created:
        """Raises UsageError for any other word, and for a SOURCE_DATE_EPOCH that is not a number.

        https://reproducible-builds.org/specs/source-date-epoch/
        """
        if text not in _WORDS:
            return cls("fixed", now, _moment(text, "created"))
        if text == "auto" and (epoch := environ.get("SOURCE_DATE_EPOCH")):
            # docs/decisions.md#the-date-of-a-nix-shell-is-unset
            if epoch != _OF_A_SHELL or "IN_NIX_SHELL" not in environ:
                return cls("fixed", now, _epoch(epoch, "SOURCE_DATE_EPOCH"))
            emit(
                events.Notice(
                    f"SOURCE_DATE_EPOCH={epoch} is what every Nix shell sets, so the image gets the commit's date; "
                    f'`created: "{epoch}"` gives it that one'
                )
            )
        return cls(text, now)

    def check_commit(self, committed: datetime | None, flake: Callable[[], FlakeMetadata | None]) -> None:
        """UsageError where `commit` has no answer. Asks Nix, which fetches the flake, only if git and CI know none."""
        if self.kind != "commit" or committed:
            return
        source = flake()
        if source is None or source.last_modified is None:
            raise _no_commit()

    def moment(self, committed: datetime | None) -> datetime | None:
        """The date to write, None to leave the image's own. `committed` is the date of the source's commit, if known."""
        match self.kind:
            case "fixed":
                return self.fixed
            case "now":
                return self.now
            case "keep":
                return None
            case "commit" if committed is None:
                raise _no_commit()
            case _:
                return committed


def _no_commit() -> UsageError:
    return UsageError(
        "`created` is `commit`, but the date of the commit is unknown: there is no git repository, or git can't read it",
        hint="check the repository out before this step (`fetch-depth: 1` is enough), or set `created: auto`",
    )


def _moment(text: str, name: str) -> datetime:
    if text.isascii() and text.removeprefix("-").isdigit():
        return _epoch(text, name)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{name} is {text!r}, which is not a date", hint=_HINT) from error
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
