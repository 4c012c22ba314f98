"""The header `Retry-After`: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3."""

from __future__ import annotations

from collections.abc import Mapping


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks us to wait, or None if the header is missing or malformed.

    The header holds seconds or a date. A date is compared with the `Date` of the same answer, so that neither the
    clock of the server nor that of this machine has to be right.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    return _until(text, headers.get("Date", "")) if text else None


def _until(text: str, now: str) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        seconds = (parsedate_to_datetime(text) - parsedate_to_datetime(now)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds if seconds >= 0 else None
