"""Tar headers, byte for byte the same everywhere: USTAR, and before it a pax header for what USTAR has no room for.

https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html, "ustar Interchange Format" and "pax Extended Header".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["file", "folder", "symlink"]

BLOCK: Final = 512
END: Final = bytes(2 * BLOCK)

_FLAGS: Final[dict[Kind, bytes]] = {"file": b"0", "folder": b"5", "symlink": b"2"}
NAME: Final = 100
"""Bytes that a name, and a link's target, have room for."""
LARGEST: Final = 0o77777777777
"""The size that fits its field."""
_PREFIX: Final = 155
_STORE_TIME: Final = 1  # what Nix gives to all in its store
_NO_OWNER: Final = bytes(64)
_NO_DEVICE: Final = b"0000000\0" * 2
_SPACES: Final = 8 * ord(" ")  # the checksum's field counts as blanks


@dataclass(frozen=True, slots=True)
class Form:
    """What many headers share: all but name, size and target. `fixed` is its part of the checksum."""

    owner: bytes
    time: bytes
    flag: bytes
    after_target: bytes
    fixed: int


def form(kind: Kind, mode: int, *, uid: int = 0, gid: int = 0) -> Form:
    return form_of(_FLAGS[kind], mode, uid=uid, gid=gid, mtime=_STORE_TIME)


def form_of(
    flag: bytes,
    mode: int,
    *,
    uid: int,
    gid: int,
    mtime: int,
    names: bytes = _NO_OWNER,
    device: bytes = _NO_DEVICE,
) -> Form:
    """Every number fits its field. `names` are those of user and group, 32 bytes each; `device` is 16 bytes."""
    owner, time = b"%07o\0%07o\0%07o\0" % (mode, uid, gid), b"%011o\0" % mtime
    after_target = b"ustar\0" + b"00" + names + device
    return Form(owner, time, flag, after_target, sum(owner + time + flag + after_target) + _SPACES)


def header(name: bytes, form_: Form, *, size: int = 0, target: bytes = b"") -> bytes:
    """The header of one member, at most a few KiB. A folder's `name` ends with a slash."""
    prefix = b""
    if len(name) > NAME:
        prefix, name_left = _split(name)
        if not name_left:
            return _extended(name, form_, size, target)
        name = name_left
    if size > LARGEST or len(target) > NAME:
        return _extended(prefix + b"/" + name if prefix else name, form_, size, target)
    return block(name, form_, size=size, target=target, prefix=prefix)


def block(name: bytes, form_: Form, *, size: int = 0, target: bytes = b"", prefix: bytes = b"") -> bytes:
    """One header of 512 bytes, of what fits its fields."""
    length = b"%011o\0" % size
    checksum = form_.fixed + sum(name) + sum(length) + sum(prefix) + sum(target)
    return b"".join(
        (
            name.ljust(NAME, b"\0"),
            form_.owner,
            length,
            form_.time,
            b"%06o\0 " % checksum,
            form_.flag,
            target.ljust(NAME, b"\0"),
            form_.after_target,
            prefix.ljust(_PREFIX + 12, b"\0"),
        )
    )


def padding(size: int) -> bytes:
    """What fills the last block of `size` bytes of data."""
    return bytes(-size % BLOCK)


_PAX: Final = form_of(b"x", 0o644, uid=0, gid=0, mtime=_STORE_TIME)


def _split(name: bytes) -> tuple[bytes, bytes]:
    """Prefix and name where a slash allows it, else nothing."""
    cut = name.rfind(b"/", 1, min(_PREFIX + 1, len(name) - 1))
    return (name[:cut], name[cut + 1 :]) if cut > 0 and len(name) - cut - 1 <= NAME else (b"", b"")


def _extended(name: bytes, form_: Form, size: int, target: bytes) -> bytes:
    """A pax header with all that does not fit, and a header in which that is cut off."""
    records = {b"linkpath": target} if len(target) > NAME else {}
    if len(name) > NAME:
        records[b"path"] = name
    if size > LARGEST:
        records[b"size"] = b"%d" % size
    if any(not is_utf8(value) for value in records.values()):
        records[b"hdrcharset"] = b"BINARY"
    data = b"".join(record(key, records[key]) for key in sorted(records))
    last = name.rstrip(b"/").rpartition(b"/")[2][:80]
    cut = name if len(name) <= NAME else last + b"/" * name.endswith(b"/")
    return b"".join(
        (
            header(b"PaxHeaders/" + last, _PAX, size=len(data)),
            data,
            padding(len(data)),
            header(cut, form_, size=size if size <= LARGEST else 0, target=target[:NAME]),
        )
    )


def record(key: bytes, value: bytes) -> bytes:
    """Of a pax header: `LENGTH KEY=VALUE\\n`, where the length counts its own digits."""
    length = rest = len(key) + len(value) + 3
    while (longer := rest + len(b"%d" % length)) != length:
        length = longer
    return b"%d %s=%s\n" % (length, key, value)


def is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
