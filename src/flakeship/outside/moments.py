"""Dates that others write: what no `datetime` can hold, also in UTC, is told before it is used."""

from __future__ import annotations

from datetime import UTC, datetime


def moment_of(text: str) -> datetime | None:
    """Read an ISO 8601 time with its zone; None for anything else, and where UTC has no such time (years 1 to 9999)."""
    try:
        moment = datetime.fromisoformat(text)
        moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else None


def moment_at(seconds: float) -> datetime | None:
    """Return the time so many seconds after 1970; None where the years 1 to 9999 have no such time."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
