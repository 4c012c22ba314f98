"""The name and the version that an installed package of Python states, in `NAME.dist-info/METADATA`.

https://packaging.python.org/en/latest/specifications/core-metadata/
"""

from __future__ import annotations

import re
from typing import Final

from flakeship.sbom.carried.parts import Carried, Part, UnreadableError

ENDING: Final = ".dist-info/METADATA"
MOST: Final = 64 << 10
"""Bytes that are read: name and version stand at the beginning, before the description."""

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_VERSION: Final = re.compile(r"[A-Za-z0-9.+!_-]{1,128}")


def package_in(data: bytes) -> Carried:
    """Return the package that the beginning of such a file states. UnreadableError where it states none."""
    fields: dict[str, str] = {}
    for line in data.decode(errors="replace").splitlines():
        key, colon, value = line.partition(":")
        if not colon:
            break
        fields.setdefault(key.lower(), value.strip())
    name, version = fields.get("name", ""), fields.get("version", "")
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        raise UnreadableError("the package has no name or version")
    return Carried.of([Part("pypi", name, version)])
