"""Reading `Retry-After`: seconds or a date (RFC 9110, 10.2.3)."""

from __future__ import annotations

from collections.abc import Mapping


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait; None where the header is missing or makes no sense.

    A date is compared to the server's own `Date`, so that neither side's clock need be right.
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
