"""The files of a store path, for every writer of tar: walked in order, read to their end, refused where no image can hold them.

Every function raises ResourceError for what vanished, changed or can't be read, NotAnImageError for a socket, a pipe or
a device. Names are bytes, as the file system has them; hard links are files of their own, so that `nix store optimise`
does not show.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, Final, Protocol, TypeAlias

from flakeship.errors import NotAnImageError, ResourceError
from flakeship.image.stream import CHUNK, Pieces
from flakeship.image.tar.blocks import BLOCK
from flakeship.image.tar.header import Kind, padding


class Named(Protocol):
    """An entry of a folder."""

    @property
    def name(self) -> bytes: ...


class Status(Protocol):
    """What a header needs to know of a file: its mode, its size in bytes, and when it was changed last."""

    @property
    def st_mode(self) -> int: ...

    @property
    def st_size(self) -> int: ...

    @property
    def st_mtime_ns(self) -> int: ...


Order: TypeAlias = Callable[[Named], Any]
"""The key by which the entries of each folder are sorted."""

MakeHeader: TypeAlias = Callable[[bytes, Status], bytes]


class Tree(Protocol):
    """Files of the store by their full names: this module's functions are that of this machine."""

    def walk(self, top: bytes, order: Order = ..., /) -> Iterator[tuple[bytes, Kind]]: ...

    def status(self, path: bytes, /) -> Status: ...

    def target_of(self, link: bytes, /) -> bytes: ...

    def file_pieces(self, path: bytes, header: MakeHeader, /, *, seen: Status | None = None) -> Pieces: ...


by_bytes: Final[Order] = attrgetter("name")

_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_PADDINGS: Final = tuple(padding(length) for length in range(BLOCK))


def walk(top: bytes, order: Order = by_bytes) -> Iterator[tuple[bytes, Kind]]:
    """Yield `top` and all below it by full name: depth first, each folder before what it holds."""
    mode = status(top).st_mode
    if stat.S_ISDIR(mode):
        yield top, "folder"
        try:
            yield from _below(top, order)
        except OSError as error:
            raise _unreadable(error.filename or top, error) from error
    elif stat.S_ISREG(mode):
        yield top, "file"
    elif stat.S_ISLNK(mode):
        yield top, "symlink"
    else:
        raise _refusal(top)


def _below(top: bytes, order: Order) -> Iterator[tuple[bytes, Kind]]:
    """Without recursion: depth costs no stack."""
    folders = [_entries(top, order)]
    while folders:
        for entry in folders[-1]:
            path = entry.path
            if entry.is_file(follow_symlinks=False):
                yield path, "file"
            elif entry.is_symlink():
                yield path, "symlink"
            elif entry.is_dir(follow_symlinks=False):
                yield path, "folder"
                folders.append(_entries(path, order))
                break
            else:
                raise _refusal(path)
        else:
            folders.pop()


def _entries(folder: bytes, order: Order) -> Iterator[os.DirEntry[bytes]]:
    with os.scandir(folder) as entries:
        return iter(sorted(entries, key=order))


def status(path: bytes) -> os.stat_result:
    """Return the status of a file, folder or symbolic link."""
    try:
        return os.lstat(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def target_of(link: bytes) -> bytes:
    """Return where a symbolic link leads."""
    try:
        return os.readlink(link)  # noqa: PTH115  a Path takes no bytes
    except OSError as error:
        raise _unreadable(link, error) from error


def file_pieces(
    path: bytes,
    header: MakeHeader,
    *,
    seen: Status | None = None,
) -> Pieces:
    """Yield header, content and padding of a regular file, as large as it is when it is opened.

    `header` makes the first piece. ResourceError where the file changes meanwhile, or differs from the status in which
    it was `seen` before.
    """
    file = None
    try:
        file = os.open(path, _OPEN)
        before = os.fstat(file)
        if seen is not None and _differs(seen, before):
            raise _changed(path)
        size = before.st_size
        room = (yield header(path, before)) or CHUNK
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
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        if file is not None:
            os.close(file)


def _differs(before: Status, after: Status) -> bool:
    """Without the ctime: `nix store optimise` may link a file elsewhere at any time."""
    return before.st_mtime_ns != after.st_mtime_ns or before.st_size != after.st_size


def _shown(path: bytes) -> str:
    return ascii(os.fsdecode(path))[1:-1]


def _changed(path: bytes) -> ResourceError:
    return ResourceError(
        f"{_shown(path)} changed while it was read",
        hint="run `nix-store --verify --check-contents --repair`: something else than Nix wrote to the store",
    )


def _unreadable(path: bytes, error: OSError) -> ResourceError:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return ResourceError(
            f"{_shown(path)} vanished from the store while it was read",
            hint="run again, and keep the path from garbage collection meanwhile (`nix build --out-link`)",
        )
    return ResourceError(
        f"can't read {_shown(path)}: {error.strerror}",
        hint="run as a user who may read the store; if too many files are open, raise `ulimit -n`",
    )


def _refusal(path: bytes) -> NotAnImageError:
    return NotAnImageError(
        f"{_shown(path)} is a socket, a pipe or a device; a store path can't hold one",
        hint="delete the path and build it again: something else than Nix wrote to the store",
    )
