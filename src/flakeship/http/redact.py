"""What of a URL may be shown: query values and user names can be secrets (signed URLs, upload states)."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def redact_url(url: str) -> str:
    """The URL without user, password, query values and fragment."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "(malformed URL)"
    shown = f"{parts.scheme}://{host}{parts.path}"
    return one_line(shown + ("?…" if parts.query else ""), 300)


def one_line(text: str, limit: int = 500) -> str:
    """Untrusted text fit for a terminal and a log: no control characters, bounded length."""
    clean = _CONTROL.sub(" ", text[: limit * 4]).strip()
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
