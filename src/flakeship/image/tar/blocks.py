"""What every dialect of tar is read with: blocks, numbers, records, and data of a stated length."""

from __future__ import annotations

from typing import Final

from flakeship.errors import NotAnImageError
from flakeship.image.stream import Reader, Stream
from flakeship.printable import counted

BLOCK: Final = 512
"""Bytes of a header; data are padded to as many."""


class DamagedError(NotAnImageError):
    """The archive is cut off, or its bytes are not those of a tar archive; the message says which."""


class Bounded(Stream):
    """Exactly `size` bytes of `file` from where it stands; `read` raises DamagedError if it has fewer.

    `left` are the bytes not read yet. Closing it closes `file` if it is its `own`.
    """

    def __init__(self, file: Reader, size: int, *, own: bool = False) -> None:
        self._file, self.left, self._own = file, size, own

    def read(self, size: int = -1, /) -> bytes:
        wanted = self.left if size < 0 else min(size, self.left)
        if not wanted:
            return b""
        data = self._file.read(wanted)
        if not data:
            raise DamagedError(f"it ends {counted(self.left, 'byte')} too early")
        self.left -= len(data)
        return data

    def close(self) -> None:
        if self._own and not self.closed:
            self._file.close()
        super().close()


def number(field: bytes) -> int:
    """Parse a number of a header: octal digits, or where the first bit is set, big-endian and two's complement behind it.

    ValueError where it is neither.
    """
    if field[0] & 0x80:
        sign = 1 << 8 * len(field) - 1
        value = int.from_bytes(field, "big") & (sign - 1)
        return value - sign if field[0] & 0x40 else value
    digits = text_field(field).strip()
    if digits.strip(b"01234567"):
        raise ValueError(f"{ascii(digits)[1:]} is not an octal number")
    return int(digits or b"0", 8)


def text_field(data: bytes) -> bytes:
    """Return what stands in a field before its first NUL."""
    return data.partition(b"\0")[0]


def pax_records(data: bytes) -> dict[bytes, bytes]:
    """Parse `LENGTH KEYWORD=VALUE\\n` records, and keep those that say where a member is: pax(1), "Extended Header".

    An empty value stands for none. DamagedError where they are malformed. The pairs of a sparse file's oldest form become one record, as its next form has it.
    """
    records: dict[bytes, bytes] = {}
    pairs: list[bytes] = []
    data, start = data.rstrip(b"\0"), 0
    while start < len(data):
        length = data[start : start + 10].partition(b" ")[0]
        end = start + int(length) if length.isdigit() else 0
        if not start + len(length) + 1 < end <= len(data):
            raise DamagedError("a pax header is damaged")
        keyword, _, value = data[start + len(length) + 1 : end - 1].partition(b"=")
        if keyword in {b"GNU.sparse.offset", b"GNU.sparse.numbytes"}:
            pairs.append(value)
        elif (
            keyword in {b"path", b"linkpath"}
            or keyword.startswith(b"GNU.sparse.")
            or (keyword == b"size" and value.isdigit() and len(value) < 20)
        ):
            records[keyword] = value
        start = end
    if pairs:
        records[b"GNU.sparse.map"] = b",".join(pairs)
    return records
