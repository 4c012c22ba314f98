"""Store paths → one deterministic tar, streamed: what is written depends on what Nix hashes of a path and nothing else.

Owner, time, mode and order are fixed, so that the machine does not show.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from typing import Final

from flakeship.image.stream import Joined, Pieces
from flakeship.image.tar.files import file_pieces, target_of, walk
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


def tar_of(paths: Iterable[str]) -> Joined:
    """Open the tar of these paths and all below them, each by its full name; `paths` in their order.

    Reading it raises ResourceError for what vanished or changed meanwhile, NotAnImageError for what no image can hold.
    """
    return Joined(_pieces([os.fsencode(path) for path in paths]))


def _pieces(paths: list[bytes]) -> Pieces:
    parents = {path[: end + 1] for path in paths for end in _slashes(path)}
    for parent in sorted(parents):
        yield header(parent[1:], _FOLDER_ABOVE)
    for top in paths:
        for path, kind in walk(top):
            if kind == "file":
                yield from file_pieces(path, _file_header)
            elif kind == "folder":
                yield header(path[1:] + b"/", _FOLDER)
            else:
                yield header(path[1:], _SYMLINK, target=target_of(path))
    yield END


def _slashes(path: bytes) -> Iterator[int]:
    return (place for place in range(1, len(path)) if path[place : place + 1] == b"/")


def _file_header(path: bytes, info: os.stat_result) -> bytes:
    return header(path[1:], _PROGRAM if info.st_mode & stat.S_IXUSR else _FILE, size=info.st_size)


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
