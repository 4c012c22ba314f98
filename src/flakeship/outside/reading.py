"""What comes from outside of the program, read within bounds: files, JSON and text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

DOCUMENT_LIMIT: Final = 32 * 1024 * 1024
"""Bytes of a JSON file of a CI platform; GitHub's payloads have at most 25 MB.

https://docs.github.com/webhooks/webhook-events-and-payloads#payload-cap
"""

_HALVES: Final = re.compile(r"[\ud800-\udfff]")
_ESCAPES: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def read_file(path: Path, limit: int) -> bytes:
    """Read a file whose size nobody vouches for. ValueError where it has more than `limit` bytes, and OSError."""
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"it has more than {limit} bytes")
    return data


def json_of(data: bytes) -> Any:
    """Parse JSON that is read and not kept: what is no text in it becomes U+FFFD.

    ValueError with a reason for what is no JSON, or is nested too deeply.
    """
    text = data.decode("utf-8", "replace")
    if "\\u" in text:
        text = _ESCAPES.sub(lambda found: "\\ufffd" if found[1] else found[0], text)
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except json.JSONDecodeError:
        raise ValueError("it is not JSON") from None


def whole_text(text: str) -> str:
    """Replace what Python makes of bytes that are no UTF-8, and halves of surrogate pairs, by U+FFFD."""
    return _HALVES.sub("\ufffd", text)
