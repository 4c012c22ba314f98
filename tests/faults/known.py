"""What is wrong today and is being mended: a case that is named here must fail, so that whoever mends it takes it off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

KNOWN: Final[Mapping[str, str]] = {
    "the session is gone at the commit: 404 BLOB_UNKNOWN": "only BLOB_UPLOAD_UNKNOWN is taken for a lost session",
    "the session is gone at the commit: 404 without a code": "only BLOB_UPLOAD_UNKNOWN is taken for a lost session",
    "Retry-After as a date without Date": "a date is compared with the header Date alone",
    "the answer to the commit is cut within its digest": "an answer that is cut within its head is believed",
    "the answer to the manifest is cut within its digest": "an answer that is cut within its head is believed",
    "the answer to the tag is cut within its digest": "an answer that is cut within its head is believed",
    "a cancelled push ends its sessions": "no session is ended after a signal",
    "a push that is cancelled while layers are sent ends its sessions": "no session is ended after a signal",
    "one layer that is refused ends the sessions of the others": "the other workers are left alone",
    "what a killed push left is swept by the next": "nothing sweeps",
    "a slow line with a deep queue": "60 seconds without an answer count as a stall, although the line still takes bytes",
    "the data is redirected again and again": "the layer is sent anew to each place",
    "an answer whose head dribbles": "each byte begins the time for an answer anew",
    "100 Continue for ever": "each of them begins the time for an answer anew",
    "a body that nobody needs dribbles": "each byte of it begins the time for it anew",
    "JSON that is nested without end in Nix's log": "a RecursionError is not caught",
    "a minute of nix-log": "a RecursionError is not caught, and long lines take much memory",
    "a minute of answer": "a chunk beyond all numbers is an OverflowError, and reading a challenge takes quadratic time",
    "a minute of templates": "numbers of thousands of digits and deep nesting are not bounded, nor is the time of a pattern",
}
"""Why, by the name of the case."""


def verdict(name: str, problems: list[str]) -> str:
    """What is to be said of a case with these problems; empty where all is as it is meant to be, or known to be wrong."""
    if name not in KNOWN:
        return "; ".join(problems)
    return "" if problems else f"{name!r} is mended: take it off tests/faults/known.py ({KNOWN[name]})"
