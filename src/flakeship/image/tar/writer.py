"""Store paths → one deterministic tar, streamed: what is written depends on what Nix hashes of a path and nothing else.

Owner, time, mode and order are fixed, and hard links are files of their own, so that neither the machine nor
`nix store optimise` shows.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Generator, Iterable, Iterator
from operator import attrgetter
from typing import Final, TypeAlias

from flakeship.errors import NotAnImageError, ResourceError
from flakeship.image.stream import CHUNK, Stream
from flakeship.image.tar.header import BLOCK, END, form, header, padding

RECIPE: Final = "1"
"""Changes whenever the same paths would give other bytes; part of what identifies a layer."""

_FOLDER: Final = form("folder", 0o755)
_INNER: Final = form("folder", 0o555)
_FILE: Final = form("file", 0o444)
_PROGRAM: Final = form("file", 0o555)
_SYMLINK: Final = form("symlink", 0o777)
_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_PADDINGS: Final = tuple(padding(length) for length in range(BLOCK))


Pieces: TypeAlias = Generator[bytes, int | None, None]
"""Told, by those who read them, how many bytes the next piece has room for; it may be longer, and is copied then."""


class Joined(Stream):
    """Pieces of any size, read as one stream."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._begun = False
        self._held: list[bytes] = []
        self._length = 0

    def read(self, size: int = -1, /) -> bytes:
        held, length = self._held, self._length
        while length < size or size < 0:
            try:
                piece = self._pieces.send(size - length if self._begun and size > 0 else None)
            except StopIteration:
                size = length
                break
            self._begun = True
            held.append(piece)
            length += len(piece)
        rest = b""
        if length > size:
            last = held.pop()
            cut = len(last) - (length - size)
            held.append(last[:cut])
            rest = last[cut:]
        self._held, self._length = [rest], len(rest)
        return b"".join(held)

    def close(self) -> None:
        self._pieces.close()  # and the file it stands in
        super().close()


def tar_of(paths: Iterable[str]) -> Joined:
    """The tar of these paths and all below them, each by its full name; `paths` in their order.

    Reading it raises ResourceError for what vanished or changed meanwhile, NotAnImageError for what no image can hold.
    """
    return Joined(_pieces([os.fsencode(path) for path in paths]))


def _pieces(paths: list[bytes]) -> Pieces:
    parents = dict.fromkeys(path[: end + 1] for path in paths for end in _slashes(path))
    for parent in sorted(parents):
        yield header(parent[1:], _FOLDER)
    for path in paths:
        try:
            yield from _tree(path)
        except OSError as error:
            raise unreadable(error, path) from error
    yield END


def _slashes(path: bytes) -> Iterator[int]:
    return (place for place in range(1, len(path)) if path[place : place + 1] == b"/")


def _tree(top: bytes) -> Pieces:
    mode = os.lstat(top).st_mode
    if stat.S_ISREG(mode):
        yield from file_pieces(top, _file_header)
    elif stat.S_ISLNK(mode):
        yield header(top[1:], _SYMLINK, target=os.readlink(top))  # noqa: PTH115  a Path takes no bytes
    elif stat.S_ISDIR(mode):
        yield header(top[1:] + b"/", _INNER)
        yield from _below(top)
    else:
        raise impossible(top)


def _below(top: bytes) -> Pieces:
    """Depth first, the names of each folder in the order of their bytes. No recursion: depth costs no stack."""
    folders = [_listed(top)]
    while folders:
        for entry in folders[-1]:
            path = entry.path
            if entry.is_file(follow_symlinks=False):
                yield from file_pieces(path, _file_header)
            elif entry.is_symlink():
                yield header(path[1:], _SYMLINK, target=os.readlink(path))  # noqa: PTH115
            elif entry.is_dir(follow_symlinks=False):
                yield header(path[1:] + b"/", _INNER)
                folders.append(_listed(path))
                break
            else:
                raise impossible(path)
        else:
            folders.pop()


def _listed(folder: bytes) -> Iterator[os.DirEntry[bytes]]:
    with os.scandir(folder) as entries:
        return iter(sorted(entries, key=attrgetter("name")))


def file_pieces(path: bytes, headed: Callable[[bytes, os.stat_result], bytes]) -> Pieces:
    """Header, content and padding. ResourceError where the file changes meanwhile, OSError where it can't be read."""
    file = os.open(path, _OPEN)
    try:
        before = os.fstat(file)
        size = before.st_size
        room = (yield headed(path, before)) or CHUNK
        left = size
        while left >= room and (data := os.read(file, room)):
            left -= len(data)
            room = (yield data) or CHUNK
        data = os.read(file, left + 1)  # one more, to see it grow
        if len(data) != left or (left < size and _differs(before, os.fstat(file))):
            raise _changed(path)
        yield data
        if size % BLOCK:
            yield _PADDINGS[size % BLOCK]
    finally:
        os.close(file)


def _file_header(path: bytes, info: os.stat_result) -> bytes:
    return header(path[1:], _PROGRAM if info.st_mode & stat.S_IXUSR else _FILE, size=info.st_size)


def _differs(before: os.stat_result, after: os.stat_result) -> bool:
    """Not by its ctime: `nix store optimise` may link it elsewhere at any time."""
    return before.st_mtime_ns != after.st_mtime_ns or before.st_size != after.st_size


def _shown(path: bytes) -> str:
    return ascii(os.fsdecode(path))[1:-1]


def _changed(path: bytes) -> ResourceError:
    return ResourceError(
        f"{_shown(path)} changed while it was read",
        hint="nothing may write to the store but Nix: `nix-store --verify --check-contents --repair` mends it",
    )


def unreadable(error: OSError, path: bytes) -> ResourceError:
    name = error.filename if isinstance(error.filename, bytes) else path
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return ResourceError(
            f"{_shown(name)} vanished from the store while it was read",
            hint="a garbage collection runs: run again, and keep it away meanwhile (`nix build --out-link`)",
        )
    return ResourceError(
        f"cannot read {_shown(name)}: {error.strerror}",
        hint="run as a user who may read the store; where too many files are open, raise `ulimit -n`",
    )


def impossible(path: bytes) -> NotAnImageError:
    return NotAnImageError(
        f"{_shown(path)} is a socket, a pipe or a device; a store path can't hold one",
        hint="the store was written to by something else than Nix: delete the path and build it again",
    )
