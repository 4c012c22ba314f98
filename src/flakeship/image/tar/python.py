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

from flakeship.image.tar.header import BLOCK, LARGEST, NAME, Form, block, form_of, is_utf8, padding, record
from flakeship.image.tar.writer import Joined, Pieces, file_pieces, impossible, unreadable

VERSION: Final = "python-tar/1"
"""Changes whenever the same paths would give other bytes; part of what identifies a layer."""

NUMBER: Final = 8**7
"""User and group numbers and names stay below this, and within `OWNER` ASCII characters."""
OWNER: Final = 32

_RECORD: Final = 20 * BLOCK
_PARENTS: Final = (b"/nix", b"/nix/store")
_FILE: Final = b"0"
_SYMLINK: Final = b"2"
_FOLDER: Final = b"5"
_EXTENDED: Final = b"x"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the script is told, and in what its versions differ: the mode of /nix and /nix/store, which was 0555 before
    it could be told an owner, and the device numbers of what is no device, which Python wrote before 3.9.
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
        return b"0000000\0" * 2 if self.devices else bytes(16)


def tar_of(paths: Sequence[str], recipe: Recipe) -> Joined:
    """The tar of these paths and all below them. Reading it raises as `tar_writer.tar_of` does."""
    return Joined(_padded(_pieces([os.fsencode(path) for path in paths], recipe)))


def _padded(pieces: Pieces) -> Pieces:
    length, room = 2 * BLOCK, None
    with contextlib.suppress(StopIteration):
        while True:
            piece = pieces.send(room)
            length += len(piece)
            room = yield piece
    yield bytes(2 * BLOCK + -length % _RECORD)


def _pieces(paths: Sequence[bytes], recipe: Recipe) -> Pieces:
    for parent in _PARENTS:
        yield _header(parent, _FOLDER, recipe.root_mode, recipe)
    for path in paths:
        try:
            yield from _tree(path, recipe)
        except OSError as error:
            raise unreadable(error, path) from error


def _tree(top: bytes, recipe: Recipe) -> Pieces:
    """Depth first, the names of each folder in the order of their characters, which is not that of their bytes."""

    def of_file(path: bytes, info: os.stat_result) -> bytes:
        return _header(path, _FILE, info.st_mode, recipe, size=info.st_size)

    waiting = [(top, False)]
    while waiting:
        path, is_file = waiting.pop()
        mode = stat.S_IFREG if is_file else os.lstat(path).st_mode
        if stat.S_ISREG(mode):
            yield from file_pieces(path, of_file)
        elif stat.S_ISLNK(mode):
            yield _header(path, _SYMLINK, mode, recipe, target=os.readlink(path))  # noqa: PTH115  a Path takes no bytes
        elif stat.S_ISDIR(mode):
            yield _header(path, _FOLDER, mode, recipe)
            waiting += _listed(path)
        else:
            raise impossible(path)


def _listed(folder: bytes) -> list[tuple[bytes, bool]]:
    """What lies in it, the last first, and whether it is a file."""
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: _text(entry.name), reverse=True)
    return [(entry.path, entry.is_file(follow_symlinks=False)) for entry in ordered]


def _header(
    path: bytes, flag: bytes, mode: int, recipe: Recipe, *, size: int = 0, target: bytes = b""
) -> bytes:
    name = path + b"/" if flag == _FOLDER else path
    form = _form(flag, stat.S_IMODE(mode), recipe)
    if len(name) <= NAME and len(target) <= NAME and size <= LARGEST and (name + target).isascii():
        return block(name, form, size=size, target=target)
    extension = _extension(name, target, size, recipe)
    return extension + block(_cut(name), form, size=size if size <= LARGEST else 0, target=_cut(target))


@functools.lru_cache
def _form(flag: bytes, mode: int, recipe: Recipe) -> Form:
    names = b"".join(name.encode("ascii").ljust(OWNER, b"\0") for name in (recipe.uname, recipe.gname))
    return form_of(
        flag,
        mode,
        uid=recipe.uid,
        gid=recipe.gid,
        mtime=recipe.mtime,
        names=names,
        device=recipe.device,
    )


def _extension(name: bytes, target: bytes, size: int, recipe: Recipe) -> bytes:
    texts = {b"path": name, b"linkpath": target}
    records = {key: text for key, text in texts.items() if len(text) > NAME or not text.isascii()}
    if size > LARGEST:
        records[b"size"] = b"%d" % size
    data = b"" if all(map(is_utf8, records.values())) else record(b"hdrcharset", b"BINARY")
    data += b"".join(record(key, value) for key, value in records.items())
    form = form_of(_EXTENDED, 0, uid=0, gid=0, mtime=0, device=recipe.device)
    return block(b"././@PaxHeader", form, size=len(data)) + data + padding(len(data))


def _cut(text: bytes) -> bytes:
    """What the old fields hold for readers that know no pax: a question mark for each character beyond ASCII."""
    return _text(text).encode("ascii", "replace")[:NAME]


def _text(name: bytes) -> str:
    """As Python has it wherever names are UTF-8, whatever the locale here says."""
    return name.decode("utf-8", "surrogateescape")
