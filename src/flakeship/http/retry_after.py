"""The header `Retry-After`: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

_SECONDS: Final = re.compile(r"([0-9]+(?:\.[0-9]{1,9})?) ?(?:s|seconds)?")
_A_MOMENT: Final = 10.0**9
"""A number from here on is no wait but a moment, in seconds since 1970."""

_LONGEST: Final = 10.0**18
"""Seconds. A longer wait is told as this one: nobody waits for it."""


def _today() -> datetime:
    return datetime.now(UTC)


def retry_after(headers: Mapping[str, str], *, today: Callable[[], datetime] = _today) -> float | None:
    """Return the seconds that a server asks us to wait, or None if the header is missing or malformed.

    The header holds seconds or a date; some servers send a fraction of a second, name the unit, or send a moment as
    a number or in the form of RFC 3339. A moment is compared with the `Date` of the same answer, so that neither the
    clock of the server nor that of this machine has to be right, and with `today` if the answer has no date. Of several
    values, which a proxy may have joined, the longest wait counts.
    """
    text = headers.get("Retry-After", "").strip()
    numbers = [_SECONDS.fullmatch(part.strip()) for part in text.split(",")]
    if all(numbers):
        asked = min(_LONGEST, max(float(number[1]) for number in numbers if number))
        moment = asked >= _A_MOMENT and _of_number(asked)
        return _until(moment, headers, today) if moment else asked
    return _until(date_of(text), headers, today)


def _until(
    moment: datetime | None, headers: Mapping[str, str], today: Callable[[], datetime]
) -> float | None:
    if moment is None:
        return None
    seconds = (moment - (date_of(headers.get("Date", "")) or today())).total_seconds()
    return seconds if seconds >= 0 else None


def _of_number(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def date_of(text: str) -> datetime | None:
    """Read a date of HTTP, also in its two old forms, or of RFC 3339: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7."""
    from email.utils import parsedate_to_datetime

    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            found = read(text)
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None
