"""Tar headers as Go's archive/tar writes them: nix2container states digests of tars that only these bytes give.

https://github.com/golang/go/blob/master/src/archive/tar/writer.go
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

BLOCK: Final = 512
END: Final = bytes(2 * BLOCK)

Kind: TypeAlias = Literal["file", "folder", "symlink"]

_FLAGS: Final[dict[Kind, bytes]] = {"file": b"0", "folder": b"5", "symlink": b"2"}
_NAME, _PREFIX, _OWNER = 100, 155, 32
_BEYOND_ASCII: Final = bytes(range(0x80, 0x100))
_MAGIC: Final = b"ustar\x0000"
_NO_DEVICE: Final = b"0000000\0" * 2


@dataclass(frozen=True, slots=True)
class Member:
    """What a header says. Folders have no slash at the end of their `name`."""

    name: bytes
    kind: Kind
    mode: int
    mtime: int
    size: int = 0
    target: bytes = b""
    uid: int = 0
    gid: int = 0
    uname: bytes = b"root"
    gname: bytes = b"root"


def header(member: Member) -> bytes:
    """A USTAR block if all fits, else a pax header with every field that does not, and a block of what is left of them."""
    prefix, short = (b"", member.name) if len(member.name) <= _NAME else _split(member.name)
    records = _records(member)
    if not records or (records.keys() == {b"path"} and short.isascii() and prefix.isascii() and short):
        return _block(member, short, prefix)
    return _extension(member.name, records) + _block(_in_ascii(member), _ascii(member.name), b"")


def padding(size: int) -> bytes:
    """What fills the last block of `size` bytes of data."""
    return bytes(-size % BLOCK)


def _split(name: bytes) -> tuple[bytes, bytes]:
    """Prefix and name at the last slash that USTAR's prefix has room for; nothing where either is too long."""
    length = min(len(name) - name.endswith(b"/"), _PREFIX + 1)
    cut = name.rfind(b"/", 0, length)
    short = name[cut + 1 :]
    return (name[:cut], short) if 0 < cut <= _PREFIX and 0 < len(short) <= _NAME else (b"", b"")


def _records(member: Member) -> dict[bytes, bytes]:
    """Fields that their place in a block can't hold; a long path too that could be split."""
    texts = (
        (b"path", member.name, _NAME),
        (b"linkpath", member.target, _NAME),
        (b"uname", member.uname, _OWNER),
        (b"gname", member.gname, _OWNER),
    )
    numbers = ((b"uid", member.uid, 7), (b"gid", member.gid, 7), (b"size", member.size, 11))
    records = {key: text for key, text, room in texts if len(text) > room or not text.isascii()}
    return records | {key: b"%d" % number for key, number, room in numbers if not 0 <= number < 8**room}


def _in_ascii(member: Member) -> Member:
    return replace(
        member, target=_ascii(member.target), uname=_ascii(member.uname), gname=_ascii(member.gname)
    )


def _ascii(text: bytes) -> bytes:
    return text.translate(None, _BEYOND_ASCII)


def _extension(name: bytes, records: dict[bytes, bytes]) -> bytes:
    data = b"".join(_record(key, records[key]) for key in sorted(records))
    folder, file = posixpath.split(name)
    spare = _ascii(posixpath.normpath(posixpath.join(folder, b"PaxHeaders.0", file)))
    start = b"".join(
        (
            _text(spare[:_NAME].rstrip(b"/"), _NAME),
            b"0000000\0" * 3,
            _octal(len(data), 11),
            _octal(0, 11),
        )
    )
    return _summed(start, b"x" + bytes(_NAME) + _MAGIC) + data + padding(len(data))


def _record(key: bytes, value: bytes) -> bytes:
    """`LENGTH KEY=VALUE\\n`, where the length counts its own digits."""
    length = rest = len(key) + len(value) + 3
    while (longer := rest + len(b"%d" % length)) != length:
        length = longer
    return b"%d %s=%s\n" % (length, key, value)


def _block(member: Member, name: bytes, prefix: bytes) -> bytes:
    start = (
        _text(name, _NAME),
        _octal(member.mode, 7),
        _octal(member.uid, 7),
        _octal(member.gid, 7),
        _octal(member.size, 11),
        _octal(member.mtime, 11),
    )
    rest = (
        _FLAGS[member.kind],
        _text(member.target, _NAME),
        _MAGIC,
        _text(member.uname, _OWNER),
        _text(member.gname, _OWNER),
        _NO_DEVICE,
        prefix,
    )
    return _summed(b"".join(start), b"".join(rest))


def _summed(start: bytes, rest: bytes) -> bytes:
    checksum = sum(start) + sum(rest) + 8 * ord(" ")
    return b"".join((start, b"%06o\0 " % checksum, rest)).ljust(BLOCK, b"\0")


def _octal(number: int, digits: int) -> bytes:
    """What has no room is written as zero, beside its pax record."""
    return b"%0*o\0" % (digits, number if 0 <= number < 8**digits else 0)


def _text(text: bytes, room: int) -> bytes:
    """Cut where it is too long. A cut that ends in a slash is ended before it, or some readers see a folder."""
    cut = text[:room]
    if len(text) > room and cut.endswith(b"/"):
        kept = len(cut.rstrip(b"/"))
        return cut[:kept] + b"\0" + cut[kept + 1 :]
    return cut.ljust(room, b"\0")
