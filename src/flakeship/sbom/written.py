"""What both documents are written with: addresses that a validator takes, an identity without a clock, and compact JSON."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

_AT_ONCE: Final = 1000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_OF_ADDRESSES: Final = "!#$&'()*+,/:;=?@[]~%"
_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
_LOCATION: Final = re.compile(
    r"(?:https?|ftp|git\+https?)://[a-z0-9]+(?:[-.][a-z0-9]+)*\.[a-z]{2,5}(?::[0-9]{1,5})?(?:/\S*)?"
)


def clean(text: str) -> str:
    """Return a text without the characters that no document may hold."""
    return _CONTROL.sub(" ", text).strip()


def address(text: str) -> str:
    """Return a URL or a path as a reference of RFC 3986; empty for one that can't be."""
    escaped = _ESCAPE.sub("%25", quote(clean(text), safe=_OF_ADDRESSES))
    try:
        parts = urlsplit(escaped)
        port = parts.port
    except ValueError:
        return ""
    if parts.netloc and not (
        _HOST.fullmatch(parts.hostname or "") and _SCHEME.fullmatch(parts.scheme) and port != 0
    ):
        return ""
    if not parts.netloc and (parts.scheme or escaped.startswith("//") or ":" in escaped):
        return ""
    if re.search(r"[\[\]]", escaped) or escaped.count("#") > 1 or "@" in parts.netloc:
        return ""
    return escaped


def location(text: str) -> str:
    """Return a URL as SPDX takes it for the place of a download; empty for any other address."""
    found = address(text)
    return found if _LOCATION.fullmatch(found) else ""


def document(body: Mapping[str, Any], identity: str, spelled: str) -> str:
    """Return a document as compact JSON, with a member `identity` that is made of all others: equal contents, equal bytes.

    A member that is an iterator becomes an array, one element after the other: 20,000 components are never all in memory
    as objects. `spelled` is how the identity is written, with `{}` in the place of a UUID.
    """
    # docs/decisions.md#an-sbom-has-no-clock
    whole = io.StringIO()  # a list of pieces would be in memory beside what is made of it
    whole.write("{")
    digest = hashlib.sha256()
    members = _members(body)
    while few := "".join(itertools.islice(members, _AT_ONCE)):
        whole.write(few)
        digest.update(few.encode())
    number = uuid.UUID(bytes=digest.digest()[:16], version=5)
    whole.write(f"{_dumped(identity)}:{_dumped(spelled.format(number))}}}")
    return whole.getvalue()


def _members(body: Mapping[str, Any]) -> Iterator[str]:
    for name, value in body.items():
        if not isinstance(value, Iterator):
            yield f"{_dumped(name)}:{_dumped(value)},"
            continue
        yield f"{_dumped(name)}:["
        before = ""
        for each in value:
            yield before + _dumped(each)
            before = ","
        yield "],"


_dumped: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
