"""The crates that a program of Rust was made from, which cargo-auditable writes into its section `.dep-v0`.

https://github.com/rust-secure-code/cargo-auditable/blob/master/PARSING.md
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from typing import Any, Final

from flakeship.sbom.carried.elf import Elf
from flakeship.sbom.carried.parts import Carried, Part, UnreadableError

_SECTION: Final = b".dep-v0"
_MOST_PACKED: Final = 1 << 20
_MOST: Final = 8 << 20
"""Bytes of the JSON, which has 100 for each crate: the format's own reader takes as many."""
_MOST_CRATES: Final = 20_000
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_VERSION: Final = re.compile(r"[A-Za-z0-9.+-]{1,128}")
_SOURCE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_USUAL: Final = "crates.io"


def crates_of(elf: Elf) -> Carried | None:
    """Return the crates that are in the program itself, without those that only built it. None where nothing is stated."""
    section = elf.section(_SECTION)
    return crates_in(elf.content(section, _MOST_PACKED)) if section else None


def crates_in(data: bytes) -> Carried:
    """Return what the content of the section states. UnreadableError where it is damaged or too large."""
    unpacked = zlib.decompressobj()
    try:
        text = unpacked.decompress(data, _MOST)
        listed = json.loads(text)["packages"] if unpacked.eof else None
    except (zlib.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableError("the list of crates is damaged") from error
    if not isinstance(listed, list) or len(listed) > _MOST_CRATES:
        raise UnreadableError("the list of crates is cut off or too large")
    parts = {place: part for place, entry in enumerate(listed) if (part := _part(entry))}
    needs = {
        part: frozenset(parts[other] for other in _numbers(listed[place]) if other in parts) - {part}
        for place, part in parts.items()
    }
    needed = frozenset[Part]().union(*needs.values())
    roots = {part for place, part in parts.items() if listed[place].get("root") is True}
    return Carried(frozenset(roots | needs.keys() - needed), needs)


def _part(entry: Any) -> Part | None:
    """None for a crate that only builds others, such as a macro."""
    if not isinstance(entry, Mapping):
        raise UnreadableError("a crate is no object")
    name, version, source = (entry.get(key) for key in ("name", "version", "source"))
    if not (_is(name, _NAME) and _is(version, _VERSION) and _is(source, _SOURCE)):
        raise UnreadableError("a crate has no name or version")
    if entry.get("kind", "runtime") != "runtime":
        return None
    return Part("cargo", str(name), str(version), "" if source == _USUAL else str(source))


def _is(value: object, form: re.Pattern[str]) -> bool:
    return isinstance(value, str) and bool(form.fullmatch(value))


def _numbers(entry: Mapping[str, Any]) -> list[int]:
    found = entry.get("dependencies", [])
    return [each for each in found if type(each) is int] if isinstance(found, list) else []
