"""The sections of an ELF file, found without reading the file: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from flakeship.sbom.carried.parts import UnreadableError

ReadAt: TypeAlias = Callable[[int, int], bytes]
"""Returns so many bytes from an offset on, fewer at the end of the file."""

HEADER: Final = 64
"""Bytes of the header of a 64-bit file; that of a 32-bit file is shorter."""
MAGIC: Final = b"\x7fELF"

_PROGRAMS: Final = frozenset({2, 3})
"""ET_EXEC and ET_DYN: what is run, and what is loaded into it."""
_MOST_SECTIONS: Final = 4096
_MOST_NAMES: Final = 1 << 20
_MOST_SEGMENTS: Final = 256
_NO_BITS: Final = 8
_LOADED: Final = 1
_IN_SECTION_0: Final = 0xFFFF
"""SHN_XINDEX: the number did not fit."""


@dataclass(frozen=True, slots=True)
class Section:
    """Where the content of a section lies in the file, in bytes."""

    offset: int
    size: int


class Elf:
    """A program or a library. Methods raise UnreadableError where the file contradicts itself."""

    def __init__(self, head: bytes, read_at: ReadAt) -> None:
        self._read_at = read_at
        self._wide = head[4] == 2
        self._order = "<" if head[5] == 1 else ">"
        fields = struct.unpack_from(f"{self._order}{'QQQ' if self._wide else 'III'}IHHHHHH", head, 24)
        self._segments_at, self._sections_at = fields[1:3]
        self._segment_size, self._segments = fields[5:7]
        self._section_size, self._sections, self._names = fields[7:10]
        self._found: dict[bytes, Section] | None = None

    @classmethod
    def of(cls, read_at: ReadAt) -> Elf | None:
        """None for a file that is no program of ELF."""
        head = read_at(0, HEADER)
        if len(head) < HEADER or head[:4] != MAGIC or head[4] not in {1, 2} or head[5] not in {1, 2}:
            return None
        (kind,) = struct.unpack_from("<H" if head[5] == 1 else ">H", head, 16)
        return cls(head, read_at) if kind in _PROGRAMS else None

    def section(self, name: bytes) -> Section | None:
        """Return the section of that name that has content."""
        if self._found is None:
            self._found = self._all()
        return self._found.get(name)

    def content(self, section: Section, most: int) -> bytes:
        """Return the content of a section. UnreadableError where it has more than `most` bytes, or the file ends before."""
        if section.size > most:
            raise UnreadableError("a section is too large")
        return self._exactly(section.offset, section.size)

    def at_address(self, address: int, size: int) -> bytes:
        """Return bytes by their address in memory, as the file holds them."""
        form, width = ("IIQQQQ", 56) if self._wide else ("IIIIII", 32)
        if not width <= self._segment_size <= 256 or self._segments > _MOST_SEGMENTS:
            raise UnreadableError("the segments are not described")
        table = self._exactly(self._segments_at, self._segment_size * self._segments)
        for start in range(0, len(table), self._segment_size):
            fields = struct.unpack_from(self._order + form, table, start)
            kind, offset, begin, length = (
                (fields[0], fields[2], fields[3], fields[5])
                if self._wide
                else (fields[0], fields[1], fields[2], fields[4])
            )
            if kind == _LOADED and begin <= address and address + size <= begin + length:
                return self._exactly(offset + address - begin, size)
        raise UnreadableError("an address leads out of the file")

    @property
    def order(self) -> str:
        """The order of bytes, as `struct` writes it."""
        return self._order

    def _exactly(self, offset: int, size: int) -> bytes:
        data = self._read_at(offset, size) if offset < 1 << 62 else b""
        if len(data) != size:
            raise UnreadableError("the file ends too early")
        return data

    def _all(self) -> dict[bytes, Section]:
        if not self._sections_at:
            return {}
        width = 64 if self._wide else 40
        if not width <= self._section_size <= 256:
            raise UnreadableError("the sections are not described")
        first = self._header(self._exactly(self._sections_at, self._section_size), 0)
        count = self._sections or first.size
        names = first.link if self._names == _IN_SECTION_0 else self._names
        if not 0 < count <= _MOST_SECTIONS or names >= count:
            raise UnreadableError("the number of sections is out of range")
        table = self._exactly(self._sections_at, self._section_size * count)
        headers = [self._header(table, place * self._section_size) for place in range(count)]
        if headers[names].size > _MOST_NAMES:
            raise UnreadableError("the names of sections are too large")
        texts = self._exactly(headers[names].offset, headers[names].size)
        return {
            texts[each.name : texts.find(b"\0", each.name)]: Section(each.offset, each.size)
            for each in headers
            if each.kind not in {0, _NO_BITS} and each.name < len(texts)
        }

    def _header(self, table: bytes, place: int) -> _SectionHeader:
        fields = struct.unpack_from(f"{self._order}II{'QQQQ' if self._wide else 'IIII'}I", table, place)
        return _SectionHeader(fields[0], fields[1], fields[4], fields[5], fields[6])


@dataclass(frozen=True, slots=True)
class _SectionHeader:
    name: int
    kind: int
    offset: int
    size: int
    link: int
