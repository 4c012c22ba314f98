"""URLs without the parts that may be secrets: user names, and the query of a signed URL or an upload session."""

from __future__ import annotations

from urllib.parse import urlsplit

from flakeship.printable import one_line


def redact_url(url: str) -> str:
    """Return the URL without user, password, query and fragment, as one line of at most 300 characters."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "(malformed URL)"
    shown = f"{parts.scheme}://{host}{parts.path}"
    return one_line(shown + ("?…" if parts.query else ""), 300)
