"""Store paths → the tar that Python's tarfile makes of them in nixpkgs' stream_layered_image.py, byte for byte.

https://github.com/python/cpython/blob/main/Lib/tarfile.py, TarInfo.create_pax_header; names are absolute, /nix and
/nix/store come first, hard links are files of their own.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from flakeship.image.stream import Joined, Pieces
from flakeship.image.tar.blocks import BLOCK
from flakeship.image.tar.case_hack import LOCAL
from flakeship.image.tar.files import Named, Status, Tree
from flakeship.image.tar.header import (
    EXTENDED,
    FLAGS,
    LARGEST,
    NAME,
    NO_DEVICE,
    OWNER,
    Kind,
    Template,
    block,
    is_utf8,
    padded,
    pax_record,
    template,
)

VERSION: Final = "python-tar/1"
"""Changes whenever the same paths would give other bytes; part of what identifies a layer."""

_RECORD: Final = 20 * BLOCK
_PARENTS: Final = (b"/nix", b"/nix/store")


@dataclass(frozen=True, slots=True)
class HeaderFields:
    """The fields that the script is told, and those in which its versions differ: the mode of /nix and /nix/store, which
    was 0555 before it could be told an owner, and the device numbers of what is no device, which Python wrote before 3.9.

    Numbers are below `header.NUMBER`, names are ASCII and have at most `header.OWNER` characters.
    """

    uid: int = 0
    gid: int = 0
    uname: str = "root"
    gname: str = "root"
    mtime: int = 1
    root_mode: int = 0o755
    devices: bool = False

    @property
    def device(self) -> bytes:
        """The 16 bytes of the two device numbers."""
        return NO_DEVICE if self.devices else bytes(16)


def tar_of(paths: Sequence[str], fields: HeaderFields, tree: Tree = LOCAL) -> Joined:
    """Open the tar of these paths and all below them. Reading it raises as that of `writer.tar_of` does."""
    return Joined(tar_pieces(paths, fields, tree))


def tar_pieces(paths: Sequence[str], fields: HeaderFields, tree: Tree) -> Pieces:
    """Yield the tar that `tar_of` opens."""
    return _whole_records(_pieces([os.fsencode(path) for path in paths], fields, tree))


def _whole_records(pieces: Pieces) -> Pieces:
    """Add the end mark, and zeros up to a multiple of 20 blocks, as tarfile does."""
    length, room = 2 * BLOCK, None
    with contextlib.suppress(StopIteration):
        while True:
            piece = pieces.send(room)
            length += len(piece)
            room = yield piece
    yield bytes(2 * BLOCK + -length % _RECORD)


def _pieces(paths: Sequence[bytes], fields: HeaderFields, tree: Tree) -> Pieces:
    def of_file(path: bytes, info: Status) -> bytes:
        return _header(path, "file", info.st_mode, fields, size=info.st_size)

    for parent in _PARENTS:
        yield _header(parent, "folder", fields.root_mode, fields)
    for top in paths:
        for path, kind in tree.walk(top, _by_characters):
            if kind == "file":
                yield from tree.file_pieces(path, of_file)
            else:
                target = tree.target_of(path) if kind == "symlink" else b""
                yield _header(path, kind, tree.status(path).st_mode, fields, target=target)


def _by_characters(entry: Named) -> str:
    """Sort as the script does: the order of characters is not that of their bytes where names are not UTF-8."""
    return _text(entry.name)


def _header(
    path: bytes, kind: Kind, mode: int, fields: HeaderFields, *, size: int = 0, target: bytes = b""
) -> bytes:
    name = path + b"/" if kind == "folder" else path
    shared = _template(kind, stat.S_IMODE(mode), fields)
    if len(name) <= NAME and len(target) <= NAME and size <= LARGEST and (name + target).isascii():
        return block(name, shared, size=size, target=target)
    extension = _extension(name, target, size, fields)
    return extension + block(_cut(name), shared, size=size if size <= LARGEST else 0, target=_cut(target))


@functools.lru_cache
def _template(kind: Kind, mode: int, fields: HeaderFields) -> Template:
    names = b"".join(name.encode("ascii").ljust(OWNER, b"\0") for name in (fields.uname, fields.gname))
    return template(
        FLAGS[kind],
        mode,
        uid=fields.uid,
        gid=fields.gid,
        mtime=fields.mtime,
        names=names,
        device=fields.device,
    )


def _extension(name: bytes, target: bytes, size: int, fields: HeaderFields) -> bytes:
    texts = {b"path": name, b"linkpath": target}
    records = {key: text for key, text in texts.items() if len(text) > NAME or not text.isascii()}
    if size > LARGEST:
        records[b"size"] = b"%d" % size
    data = b"" if all(map(is_utf8, records.values())) else pax_record(b"hdrcharset", b"BINARY")
    data += b"".join(pax_record(key, value) for key, value in records.items())
    shared = template(EXTENDED, 0, uid=0, gid=0, mtime=0, device=fields.device)
    return block(b"././@PaxHeader", shared, size=len(data)) + padded(data)


def _cut(text: bytes) -> bytes:
    """Return what the old fields hold for readers that know no pax: a question mark for each character beyond ASCII."""
    return _text(text).encode("ascii", "replace")[:NAME]


def _text(name: bytes) -> str:
    """Decode as Python does wherever names are UTF-8, whatever the locale here says."""
    return name.decode("utf-8", "surrogateescape")
