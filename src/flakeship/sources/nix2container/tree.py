"""Which file of the store is which member of a nix2container layer: rewritten, merged into one tree, walked in its order.

https://github.com/nlewo/nix2container/blob/master/nix/graph.go and tar.go
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from flakeship.errors import NotAnImageError, ResourceError
from flakeship.image.stream import CHUNK
from flakeship.image.tar import go as go_tar
from flakeship.image.tar.writer import Pieces

_ROOT_MODE: Final = 0o755


@dataclass(frozen=True, slots=True)
class Permission:
    """For files whose path in the store `pattern` matches; None leaves the mode."""

    pattern: re.Pattern[str]
    mode: int | None
    uid: int
    gid: int
    uname: bytes
    gname: bytes


@dataclass(frozen=True, slots=True)
class StorePath:
    """A path to pack with all below it. `rewrite` is a pattern and its replacement, as Go's regexp expands it."""

    path: bytes
    rewrite: tuple[re.Pattern[str], str] | None = None
    permissions: tuple[Permission, ...] = ()


@dataclass(frozen=True, slots=True)
class Variant:
    """How a version of nix2container wrote what another wrote otherwise.

    Before July 2024 the time was 0 (6f51fc5); before November 2024 the group took the user's name (de69713).
    """

    mtime: int = 1
    gname_is_uname: bool = False


@dataclass(slots=True)
class _Node:
    """A member; without `info` it is a folder that only stands above others."""

    source: bytes = b""
    info: os.stat_result | None = None
    permissions: tuple[Permission, ...] = ()
    children: dict[bytes, _Node] = field(default_factory=dict)


def tar_pieces(paths: Iterable[StorePath], variant: Variant) -> Pieces:
    """The tar in pieces of any size. ResourceError where the store changes meanwhile."""
    root = _Node()
    for path in paths:
        for source, info in _walked(path.path):
            _enter(root, path, source, info)
    for name, node in _members(root):
        yield from _member(name, node, variant)
    yield go_tar.END


def _walked(top: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    """`top` and all below it, each folder before what it holds, names in the order of their bytes."""
    waiting = [top]
    while waiting:
        path = waiting.pop()
        try:
            info = os.lstat(path)
            names = _names(path) if stat.S_ISDIR(info.st_mode) else []
        except OSError as error:
            raise _unreadable(path, error) from error
        yield path, info
        waiting += (path + b"/" + name for name in names)


def _names(folder: bytes) -> list[bytes]:
    with os.scandir(folder) as entries:
        return sorted((entry.name for entry in entries), reverse=True)


def _enter(root: _Node, path: StorePath, source: bytes, info: os.stat_result) -> None:
    """A later file takes the place of an earlier one; one that is rewritten to nothing has none."""
    destination = _rewritten(source, path.rewrite)
    if not destination:
        return
    node = root
    for part in _parts(destination):
        child = node.children.get(part)
        if child is None:
            child = node.children[part] = _Node()
        node = child
    node.source, node.info, node.permissions = source, info, path.permissions


def _parts(destination: bytes) -> list[bytes]:
    """Of a cleaned path; what is absolute begins with an empty part."""
    if destination[:1] == b"." or b"/." in destination or b"//" in destination or destination[-1:] == b"/":
        destination = posixpath.normpath(
            b"/" + destination.lstrip(b"/") if destination[:1] == b"/" else destination
        )
    return [b""] if destination == b"/" else destination.split(b"/")


def _rewritten(source: bytes, rewrite: tuple[re.Pattern[str], str] | None) -> bytes:
    if rewrite is None:
        return source
    pattern, replacement = rewrite
    return pattern.sub(lambda hit: _expanded(replacement, hit), _text(source)).encode(
        "utf-8", "surrogateescape"
    )


def _text(path: bytes) -> str:
    """As patterns see it, whatever the locale says."""
    return path.decode("utf-8", "surrogateescape")


_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+)|(\$))")


def _expanded(template: str, hit: re.Match[str]) -> str:
    """As https://pkg.go.dev/regexp#Regexp.Expand: what names no group is empty."""

    def value(variable: re.Match[str]) -> str:
        if variable[3]:
            return "$"
        name = variable[1] or variable[2]
        try:
            return hit[int(name) if name.isdecimal() else name] or ""
        except IndexError:
            return ""

    return _VARIABLE.sub(value, template)


def _members(root: _Node) -> Iterator[tuple[bytes, _Node]]:
    """Depth first; the names of each folder in the order of their bytes."""
    waiting = _below(b"", root)
    while waiting:
        name, node = waiting.pop()
        yield name, node
        waiting += _below(name, node)


def _below(base: bytes, node: _Node) -> list[tuple[bytes, _Node]]:
    """The last one first."""
    return [
        (posixpath.join(base, part) if part else b"/", child)
        for part, child in sorted(node.children.items(), reverse=True)
    ]


def _member(name: bytes, node: _Node, variant: Variant) -> Pieces:
    if node.info is None:
        yield go_tar.header(name, go_tar.Form("folder", _ROOT_MODE, variant.mtime))
        return
    mode, size = node.info.st_mode, node.info.st_size
    try:
        match stat.S_IFMT(mode):
            case stat.S_IFREG:
                yield go_tar.header(name, _form("file", node, variant), size=size)
                yield from _content(node.source, size)
            case stat.S_IFDIR:
                yield go_tar.header(name, _form("folder", node, variant))
            case stat.S_IFLNK:
                target = os.readlink(node.source)  # noqa: PTH115  names in a store are bytes
                yield go_tar.header(name, _form("symlink", node, variant), target=target)
            case _:
                raise NotAnImageError(
                    f"{os.fsdecode(node.source)} is a socket, a pipe or a device; a store path can't hold one",
                    hint="the store was written to by something else than Nix: delete the path and build it again",
                )
    except OSError as error:
        raise _unreadable(node.source, error) from error


def _form(kind: go_tar.Kind, node: _Node, variant: Variant) -> go_tar.Form:
    assert node.info is not None
    mode = 0o777 if kind == "symlink" else stat.S_IMODE(node.info.st_mode)
    if not node.permissions:
        return go_tar.Form(kind, mode, variant.mtime)
    return go_tar.Form(kind, *_permitted(_text(node.source), node.permissions, mode, variant))


def _permitted(
    source: str, permissions: Sequence[Permission], mode: int, variant: Variant
) -> tuple[int, int, go_tar.Owner]:
    """All that match, one after the other: each resets the numbers, and names and mode only where it has them."""
    owner = go_tar.ROOT
    for permission in permissions:
        if permission.pattern.search(source):
            owner = go_tar.Owner(
                permission.uid,
                permission.gid,
                permission.uname or owner.uname,
                _group(permission, owner, variant),
            )
            mode = mode if permission.mode is None else permission.mode
    return mode, variant.mtime, owner


def _group(permission: Permission, owner: go_tar.Owner, variant: Variant) -> bytes:
    if not permission.gname:
        return owner.gname
    return permission.uname if variant.gname_is_uname else permission.gname


def _content(path: bytes, size: int) -> Pieces:
    """Exactly `size` bytes and what pads them."""
    left = size
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        room = CHUNK
        while left:
            data = os.read(file, min(left, room))
            if not data:
                raise ResourceError(
                    f"{os.fsdecode(path)} became shorter while it was read",
                    hint="nothing may write to the store but Nix: `nix-store --verify --check-contents` finds what did",
                )
            left -= len(data)
            room = (yield data) or CHUNK
    finally:
        os.close(file)
    yield go_tar.padding(size)


def _unreadable(path: bytes, error: OSError) -> ResourceError:
    return ResourceError(
        f"cannot read {os.fsdecode(path)}: {error.strerror}",
        hint="build the image on this machine, or bring its closure here (`nix copy`), and keep the garbage collector away",
    )
