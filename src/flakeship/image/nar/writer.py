"""The NAR of a store path that lies on this machine, as Nix writes it.

https://nix.dev/manual/nix/latest/protocols/nix-archive
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Final

from flakeship.image.stream import CHUNK
from flakeship.image.tar.case_hack import hashed


class UnreadableError(OSError):
    """Something of a store path is neither a file nor a folder nor a link, or has changed while it was read."""


def _token(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text + bytes(-len(text) % 8)


def _tokens(*texts: bytes) -> bytes:
    return b"".join(map(_token, texts))


_MAGIC: Final = _token(b"nix-archive-1")
_FOLDER: Final = _tokens(b"(", b"type", b"directory")
_LINK: Final = _tokens(b"(", b"type", b"symlink", b"target")
_FILE: Final = _tokens(b"(", b"type", b"regular")
_PROGRAM: Final = _tokens(b"executable", b"")
_CONTENTS: Final = _token(b"contents")
_ENTRY: Final = _tokens(b"entry", b"(", b"name")
_NODE: Final = _token(b"node")
_CLOSE: Final = _token(b")")
_CLOSE_ENTRY: Final = _CLOSE + _CLOSE


def nar_pieces(path: str) -> Iterator[bytes]:
    """Yield the NAR of a file, folder or link, in pieces of 1 MiB at most. OSError where it can't be read.

    Of a folder only the names are in memory.
    """
    yield _MAGIC
    top = os.fsencode(path)
    waiting: list[tuple[bytes, bytes | None]] = [(top, None)]
    """What is left to write, the next last: a path, and the name under which it stands in its folder. An empty path closes one."""
    while waiting:
        each, name = waiting.pop()
        if not each:
            yield _CLOSE_ENTRY if name is not None else _CLOSE
            continue
        if name is not None:
            yield _ENTRY + _token(name) + _NODE
        status = os.lstat(each)
        if stat.S_ISDIR(status.st_mode):
            yield _FOLDER
            waiting.append((b"", name))
            below = [(hashed(found), found) for found in os.listdir(each)]  # noqa: PTH208  a Path takes no bytes
            waiting.extend((each + b"/" + found, name) for name, found in sorted(below, reverse=True))
            continue
        if stat.S_ISLNK(status.st_mode):
            yield _LINK + _token(os.readlink(each))  # noqa: PTH115  as above
        elif stat.S_ISREG(status.st_mode):
            yield from _file(each, status)
        else:
            raise UnreadableError(f"{os.fsdecode(each)} is no file, folder or link")
        yield _CLOSE_ENTRY if name is not None else _CLOSE


def _file(path: bytes, status: os.stat_result) -> Iterator[bytes]:
    program = _PROGRAM if status.st_mode & stat.S_IXUSR else b""
    size = left = status.st_size
    yield _FILE + program + _CONTENTS + size.to_bytes(8, "little")
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  as above
        while left and (data := file.read(min(left, CHUNK))):
            yield data
            left -= len(data)
    if left:
        raise UnreadableError(f"{os.fsdecode(path)} became shorter while it was read")
    yield bytes(-size % 8)
