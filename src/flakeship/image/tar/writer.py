"""Store paths → one deterministic tar, streamed: what is written depends on what Nix hashes of a path and nothing else.

Owner, time, mode and order are fixed, so that the machine does not show.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from typing import Final

from flakeship.image.stream import Joined, Pieces
from flakeship.image.tar.case_hack import LOCAL
from flakeship.image.tar.files import Status, Tree
from flakeship.image.tar.header import (
    END,
    EXTENDED,
    FLAGS,
    LARGEST,
    NAME,
    PREFIX,
    Kind,
    Template,
    block,
    is_utf8,
    padded,
    pax_record,
    template,
)

RECIPE: Final = "1"
"""Changes whenever the same paths would give other bytes; part of what identifies a layer."""

_STORE_TIME: Final = 1  # what Nix gives to all in its store


def form(kind: Kind, mode: int, *, uid: int = 0, gid: int = 0) -> Template:
    """Return what the headers of all members of a kind, mode and owner share."""
    return template(FLAGS[kind], mode, uid=uid, gid=gid, mtime=_STORE_TIME)


# docs/decisions.md#tar-headers-are-written-by-our-own-code
_FOLDER_ABOVE: Final = form("folder", 0o755)
_FOLDER: Final = form("folder", 0o555)
_FILE: Final = form("file", 0o444)
_PROGRAM: Final = form("file", 0o555)
_SYMLINK: Final = form("symlink", 0o777)
_PAX: Final = template(EXTENDED, 0o644, uid=0, gid=0, mtime=_STORE_TIME)


def tar_of(paths: Iterable[str], tree: Tree = LOCAL) -> Joined:
    """Open the tar of these paths and all below them, each by its full name; `paths` in their order.

    Reading it raises ResourceError for what vanished or changed meanwhile, NotAnImageError for what no image can hold.
    """
    return Joined(_pieces([os.fsencode(path) for path in paths], tree))


def _pieces(paths: list[bytes], tree: Tree) -> Pieces:
    yield folders_above(paths)
    for top in paths:
        yield from members_of(top, tree)
    yield END


def folders_above(paths: Iterable[bytes]) -> bytes:
    """Return the members that a tar of these paths begins with."""
    parents = {path[: end + 1] for path in paths for end in _slashes(path)}
    return b"".join(header(parent[1:], _FOLDER_ABOVE) for parent in sorted(parents))


def members_of(top: bytes, tree: Tree) -> Pieces:
    """Yield the members of a path and all below it."""
    for path, kind in tree.walk(top):
        if kind == "file":
            yield from tree.file_pieces(path, _file_header)
        elif kind == "folder":
            yield folder_header(path)
        else:
            yield link_header(path, tree.target_of(path))


def folder_header(path: bytes) -> bytes:
    return header(path[1:] + b"/", _FOLDER)


def link_header(path: bytes, target: bytes) -> bytes:
    return header(path[1:], _SYMLINK, target=target)


def file_header(path: bytes, *, program: bool, size: int) -> bytes:
    """Return the header of a file of `size` bytes; a `program` may be executed."""
    return header(path[1:], _PROGRAM if program else _FILE, size=size)


def _slashes(path: bytes) -> Iterator[int]:
    return (place for place in range(1, len(path)) if path[place : place + 1] == b"/")


def _file_header(path: bytes, info: Status) -> bytes:
    return file_header(path, program=bool(info.st_mode & stat.S_IXUSR), size=info.st_size)


def header(name: bytes, shared: Template, *, size: int = 0, target: bytes = b"") -> bytes:
    """Return the header of one member, at most a few KiB. A folder's `name` ends with a slash."""
    prefix = b""
    if len(name) > NAME:
        prefix, name_left = _split(name)
        if not name_left:
            return _extended(name, shared, size, target)
        name = name_left
    if size > LARGEST or len(target) > NAME:
        return _extended(prefix + b"/" + name if prefix else name, shared, size, target)
    return block(name, shared, size=size, target=target, prefix=prefix)


def _split(name: bytes) -> tuple[bytes, bytes]:
    """Return prefix and name where a slash allows it, else nothing."""
    cut = name.rfind(b"/", 1, min(PREFIX + 1, len(name) - 1))
    return (name[:cut], name[cut + 1 :]) if cut > 0 and len(name) - cut - 1 <= NAME else (b"", b"")


def _extended(name: bytes, shared: Template, size: int, target: bytes) -> bytes:
    """Return a pax header with all that does not fit, and a header in which that is cut off."""
    records = {b"linkpath": target} if len(target) > NAME else {}
    if len(name) > NAME:
        records[b"path"] = name
    if size > LARGEST:
        records[b"size"] = b"%d" % size
    if not all(map(is_utf8, records.values())):
        records[b"hdrcharset"] = b"BINARY"
    data = b"".join(pax_record(key, records[key]) for key in sorted(records))
    last = name.rstrip(b"/").rpartition(b"/")[2][:80]
    cut = name if len(name) <= NAME else last + b"/" * name.endswith(b"/")
    return b"".join(
        (
            header(b"PaxHeaders/" + last, _PAX, size=len(data)),
            padded(data),
            header(cut, shared, size=size if size <= LARGEST else 0, target=target[:NAME]),
        )
    )
