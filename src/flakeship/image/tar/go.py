"""Tar headers as Go's archive/tar writes them: nix2container states digests of tars that only these bytes give.

https://github.com/golang/go/blob/master/src/archive/tar/writer.go
"""

from __future__ import annotations

import functools
import posixpath
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

BLOCK: Final = 512
END: Final = bytes(2 * BLOCK)

Kind: TypeAlias = Literal["file", "folder", "symlink"]

_FLAGS: Final[dict[Kind, bytes]] = {"file": b"0", "folder": b"5", "symlink": b"2"}
_NAME, _PREFIX, _OWNER = 100, 155, 32
_BEYOND_ASCII: Final = bytes(range(0x80, 0x100))
_MAGIC: Final = b"ustar\x0000"
_NO_DEVICE: Final = b"0000000\0" * 2
_REST: Final = 12


@dataclass(frozen=True, slots=True)
class Owner:
    """Who a member belongs to."""

    uid: int = 0
    gid: int = 0
    uname: bytes = b"root"
    gname: bytes = b"root"


ROOT: Final = Owner()


@dataclass(frozen=True, slots=True)
class Form:
    """What many members share. A folder's name has no slash at its end."""

    kind: Kind
    mode: int
    mtime: int
    owner: Owner = ROOT


def header(name: bytes, form: Form, *, size: int = 0, target: bytes = b"") -> bytes:
    """A USTAR block if all fits, else a pax header with every field that does not, and a block of what is left of them."""
    frame = _frame(form)
    if frame.fits and len(target) <= _NAME and size < 1 << 33 and name.isascii() and target.isascii():
        prefix, short = (b"", name) if len(name) <= _NAME else _split(name)
        if short:
            return _block(frame, short, size, target, prefix)
    records = _records(name, size, target, form.owner)
    return _extension(name, records) + _block(frame, _ascii(name), size, _ascii(target), b"")


@dataclass(frozen=True, slots=True)
class _Frame:
    """The parts of a block around name, size, checksum and target, and their share of the checksum."""

    numbers: bytes
    mtime: bytes
    flag: bytes
    names: bytes
    share: int
    fits: bool


@functools.lru_cache(maxsize=1024)
def _frame(form: Form) -> _Frame:
    owner = form.owner
    numbers = _octal(form.mode, 7) + _octal(owner.uid, 7) + _octal(owner.gid, 7)
    mtime, flag = _octal(form.mtime, 11), _FLAGS[form.kind]
    names = b"".join(
        (_MAGIC, *(_text(_ascii(text), _OWNER) for text in (owner.uname, owner.gname)), _NO_DEVICE)
    )
    share = sum(numbers) + sum(mtime) + sum(flag) + sum(names) + 8 * ord(" ")
    return _Frame(numbers, mtime, flag, names, share, fits=not _records(b"", 0, b"", owner))


def padding(size: int) -> bytes:
    """What fills the last block of `size` bytes of data."""
    return bytes(-size % BLOCK)


def _split(name: bytes) -> tuple[bytes, bytes]:
    """Prefix and name at the last slash that USTAR's prefix has room for; nothing where either is too long."""
    length = min(len(name) - name.endswith(b"/"), _PREFIX + 1)
    cut = name.rfind(b"/", 0, length)
    short = name[cut + 1 :]
    return (name[:cut], short) if 0 < cut <= _PREFIX and 0 < len(short) <= _NAME else (b"", b"")


def _records(name: bytes, size: int, target: bytes, owner: Owner) -> dict[bytes, bytes]:
    """Fields that their place in a block can't hold; a long path too that could be split."""
    texts = (
        (b"path", name, _NAME),
        (b"linkpath", target, _NAME),
        (b"uname", owner.uname, _OWNER),
        (b"gname", owner.gname, _OWNER),
    )
    numbers = ((b"uid", owner.uid, 7), (b"gid", owner.gid, 7), (b"size", size, 11))
    records = {key: text for key, text, room in texts if len(text) > room or not text.isascii()}
    return records | {key: b"%d" % number for key, number, room in numbers if not 0 <= number < 8**room}


def _ascii(text: bytes) -> bytes:
    return text.translate(None, _BEYOND_ASCII)


def _extension(name: bytes, records: dict[bytes, bytes]) -> bytes:
    data = b"".join(_record(key, records[key]) for key in sorted(records))
    folder, file = posixpath.split(name)
    spare = _ascii(posixpath.normpath(posixpath.join(folder, b"PaxHeaders.0", file)))
    fields = (
        _text(spare[:_NAME].rstrip(b"/"), _NAME),
        b"0000000\0" * 3,
        _octal(len(data), 11),
        _octal(0, 11),
    )
    rest = b"x" + bytes(_NAME) + _MAGIC
    checksum = sum(map(sum, fields)) + sum(rest) + 8 * ord(" ")
    block = b"".join((*fields, b"%06o\0 " % checksum, rest)).ljust(BLOCK, b"\0")
    return block + data + padding(len(data))


def _record(key: bytes, value: bytes) -> bytes:
    """`LENGTH KEY=VALUE\\n`, where the length counts its own digits."""
    length = rest = len(key) + len(value) + 3
    while (longer := rest + len(b"%d" % length)) != length:
        length = longer
    return b"%d %s=%s\n" % (length, key, value)


def _block(frame: _Frame, name: bytes, size: int, target: bytes, prefix: bytes) -> bytes:
    name, length, target = _text(name, _NAME), _octal(size, 11), _text(target, _NAME)
    checksum = frame.share + sum(name) + sum(length) + sum(target) + sum(prefix)
    return b"".join(
        (
            name,
            frame.numbers,
            length,
            frame.mtime,
            b"%06o\0 " % checksum,
            frame.flag,
            target,
            frame.names,
            prefix.ljust(_PREFIX + _REST, b"\0"),
        )
    )


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
