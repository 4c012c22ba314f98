"""Tar headers as Go's archive/tar writes them: nix2container states digests of tars that only these bytes give.

https://github.com/golang/go/blob/master/src/archive/tar/writer.go
"""

from __future__ import annotations

import functools
import posixpath
from dataclasses import dataclass
from typing import Final

from flakeship.image.tar.header import (
    EXTENDED,
    FLAGS,
    LARGEST,
    NAME,
    NUMBER,
    OWNER,
    PREFIX,
    Kind,
    Template,
    block,
    padded,
    pax_record,
    template,
)

_BEYOND_ASCII: Final = bytes(range(0x80, 0x100))
_PAX: Final = template(EXTENDED, 0, uid=0, gid=0, mtime=0, device=bytes(16))


@dataclass(frozen=True, slots=True)
class Owner:
    """Who a member belongs to."""

    uid: int = 0
    gid: int = 0
    uname: bytes = b"root"
    gname: bytes = b"root"


ROOT: Final = Owner()


@dataclass(frozen=True, slots=True)
class Attributes:
    """What many members share. A folder's name has no slash at its end."""

    kind: Kind
    mode: int
    mtime: int
    owner: Owner = ROOT


def header(name: bytes, attributes: Attributes, *, size: int = 0, target: bytes = b"") -> bytes:
    """Return a USTAR block if all fits, else a pax header with each field that does not, and a block of what is left."""
    shared, fits = _template(attributes)
    if fits and len(target) <= NAME and size <= LARGEST and name.isascii() and target.isascii():
        prefix, short = (b"", name) if len(name) <= NAME else _split(name)
        if short:
            return block(short, shared, size=size, target=target, prefix=prefix)
    records = _records(name, size, target, attributes.owner)
    return _extension(name, records) + block(
        _cut(_ascii(name), NAME),
        shared,
        size=size if size <= LARGEST else 0,
        target=_cut(_ascii(target), NAME),
    )


@functools.lru_cache(maxsize=1024)
def _template(attributes: Attributes) -> tuple[Template, bool]:
    """Return what all such members share, and whether it fits: a number that does not is written as zero."""
    owner = attributes.owner
    numbers = (attributes.mode, owner.uid, owner.gid)
    mode, uid, gid = (number if 0 <= number < NUMBER else 0 for number in numbers)
    shared = template(
        FLAGS[attributes.kind],
        mode,
        uid=uid,
        gid=gid,
        mtime=attributes.mtime,
        names=b"".join(_cut(_ascii(text), OWNER) for text in (owner.uname, owner.gname)),
    )
    return shared, not _records(b"", 0, b"", owner)


def _split(name: bytes) -> tuple[bytes, bytes]:
    """Return prefix and name at the last slash that USTAR's prefix has room for; nothing where either is too long."""
    length = min(len(name) - name.endswith(b"/"), PREFIX + 1)
    cut = name.rfind(b"/", 0, length)
    short = name[cut + 1 :]
    return (name[:cut], short) if 0 < cut <= PREFIX and 0 < len(short) <= NAME else (b"", b"")


def _records(name: bytes, size: int, target: bytes, owner: Owner) -> dict[bytes, bytes]:
    """Return the fields that their place in a block can't hold; a long path too that could be split."""
    texts = (
        (b"path", name, NAME),
        (b"linkpath", target, NAME),
        (b"uname", owner.uname, OWNER),
        (b"gname", owner.gname, OWNER),
    )
    numbers = ((b"uid", owner.uid, NUMBER), (b"gid", owner.gid, NUMBER), (b"size", size, LARGEST + 1))
    records = {key: text for key, text, room in texts if len(text) > room or not text.isascii()}
    return records | {key: b"%d" % number for key, number, end in numbers if not 0 <= number < end}


def _ascii(text: bytes) -> bytes:
    return text.translate(None, _BEYOND_ASCII)


def _extension(name: bytes, records: dict[bytes, bytes]) -> bytes:
    data = b"".join(pax_record(key, records[key]) for key in sorted(records))
    folder, file = posixpath.split(name)
    spare = _ascii(posixpath.normpath(posixpath.join(folder, b"PaxHeaders.0", file)))
    return block(spare[:NAME].rstrip(b"/"), _PAX, size=len(data)) + padded(data)


def _cut(text: bytes, room: int) -> bytes:
    """Return `room` bytes. A cut that ends in a slash is ended before it, or some readers see a folder."""
    cut = text[:room]
    if len(text) > room and cut.endswith(b"/"):
        kept = len(cut.rstrip(b"/"))
        return cut[:kept] + b"\0" + cut[kept + 1 :]
    return cut.ljust(room, b"\0")
