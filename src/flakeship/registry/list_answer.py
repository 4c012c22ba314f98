"""The answer to a request for a list: one page of it, and where the next one is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from flakeship.http.errors import WireError
from flakeship.image.document import decode_object

if TYPE_CHECKING:
    from flakeship.http.response import Response

_NEXT: Final = re.compile(r"<([^<>\s]{1,2000})>\s*;\s*rel=\"?next\"?")
"""The `Link` of a page that has another one behind it: RFC 8288."""


def next_page(response: Response) -> str | None:
    """Return the URL of the next page as the registry writes it, which may be relative; None on the last page."""
    link = _NEXT.search(response.headers.get("Link", ""))
    return link[1] if link else None


def tags_in(data: bytes) -> list[str]:
    """Return the tags of one page. WireError for an answer that is no list."""
    try:
        listed = decode_object(data).get("tags")
    except ValueError as error:
        raise WireError(f"the answer to a question for tags is no list: {error}", transient=False) from error
    return [tag for tag in listed if isinstance(tag, str)] if isinstance(listed, list) else []


def descriptors_in(data: bytes) -> list[dict[str, Any]] | None:
    """Return the entries of an index; None for a page of HTML, which some server in front gives for any path."""
    try:
        listed = decode_object(data).get("manifests")
    except ValueError:
        return None
    return [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else None
