"""The tar of a nix2container layer: files of the store under rewritten names, merged into one tree, in the order of that tree.

https://github.com/nlewo/nix2container/blob/master/nix/graph.go and tar.go
"""

from __future__ import annotations

import contextlib
import posixpath
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from flakeship.errors import NotAnImageError
from flakeship.image.stream import Pieces
from flakeship.image.tar import go as go_tar
from flakeship.image.tar.case_hack import LOCAL
from flakeship.image.tar.files import Status, Tree
from flakeship.image.tar.header import END, Kind
from flakeship.outside.patterns import TooSlowError
from flakeship.sources.nix2container.patterns import GoPattern

_ROOT_MODE: Final = 0o755


@dataclass(frozen=True, slots=True)
class Permission:
    """Mode and owner for files whose path in the store `pattern` matches; None leaves the mode as it is."""

    pattern: GoPattern
    mode: int | None
    uid: int
    gid: int
    uname: bytes
    gname: bytes


@dataclass(frozen=True, slots=True)
class LayerPath:
    """A path to pack with all below it. `rewrite` is a pattern and its replacement, as Go's regexp expands it."""

    path: bytes
    rewrite: tuple[GoPattern, str] | None = None
    permissions: tuple[Permission, ...] = ()


@dataclass(frozen=True, slots=True)
class WriterVersion:
    """In what the tars of nix2container's versions differ.

    Before July 2024 the time was 0 (6f51fc5); before November 2024 the group took the user's name (de69713).
    """

    mtime: int = 1
    gname_is_uname: bool = False


@dataclass(slots=True)
class _Node:
    """A member: the file of the store that it is made of, and how that was found; a folder that only stands above
    others is made of none.
    """

    kind: Kind = "folder"
    source: bytes = b""
    info: Status | None = None
    permissions: tuple[Permission, ...] = ()
    children: dict[bytes, _Node] = field(default_factory=dict)


def tar_pieces(paths: Iterable[LayerPath], version: WriterVersion, tree: Tree = LOCAL) -> Pieces:
    """Yield the tar in pieces of any size. ResourceError where the store changes meanwhile, NotAnImageError for what no
    image can hold.
    """
    root = _Node()
    for path in paths:
        for source, kind in tree.walk(path.path):
            _enter(root, path, source, kind, tree)
    for name, node in _members(root):
        yield from _member(name, node, version, tree)
    yield END


def _enter(root: _Node, path: LayerPath, source: bytes, kind: Kind, tree: Tree) -> None:
    """Put a file into the tree. A later one takes the place of an earlier one; one that is rewritten to nothing has none."""
    destination = _rewritten(source, path.rewrite)
    if not destination:
        return
    node = root
    for part in _parts(destination):
        child = node.children.get(part)
        if child is None:
            child = node.children[part] = _Node()
        node = child
    node.kind, node.source, node.info, node.permissions = kind, source, tree.status(source), path.permissions


def _parts(destination: bytes) -> list[bytes]:
    """Split a path as Go's path/filepath.Clean leaves it; an absolute one begins with an empty part."""
    if destination[:1] == b"." or b"/." in destination or b"//" in destination or destination[-1:] == b"/":
        destination = posixpath.normpath(
            b"/" + destination.lstrip(b"/") if destination[:1] == b"/" else destination
        )
    return [b""] if destination == b"/" else destination.split(b"/")


def _rewritten(source: bytes, rewrite: tuple[GoPattern, str] | None) -> bytes:
    if rewrite is None:
        return source
    pattern, replacement = rewrite
    with _in_time(pattern):
        return pattern.replaced(_text(source), replacement).encode("utf-8", "surrogateescape")


@contextlib.contextmanager
def _in_time(pattern: GoPattern) -> Iterator[None]:
    """NotAnImageError where the limit of a pattern's time is reached."""
    try:
        yield
    except TooSlowError as error:
        raise NotAnImageError(
            f"a layer has the pattern {pattern.source!r:.200}, which {error}",
            hint="write it without a repetition within a repetition, and build the image again",
        ) from error


def _text(path: bytes) -> str:
    """Decode a path as patterns see it, whatever the locale says."""
    return path.decode("utf-8", "surrogateescape")


def _members(root: _Node) -> Iterator[tuple[bytes, _Node]]:
    """Yield every member with its name: depth first, the names of each folder in the order of their bytes."""
    waiting = _below(b"", root)
    while waiting:
        name, node = waiting.pop()
        yield name, node
        waiting += _below(name, node)


def _below(base: bytes, node: _Node) -> list[tuple[bytes, _Node]]:
    """Return what a folder holds, the last one first."""
    return [
        (posixpath.join(base, part) if part else b"/", child)
        for part, child in sorted(node.children.items(), reverse=True)
    ]


def _member(name: bytes, node: _Node, version: WriterVersion, tree: Tree) -> Pieces:
    attributes = _attributes(node, version)
    if node.kind == "file":

        def header(_: bytes, info: Status) -> bytes:
            return go_tar.header(name, attributes, size=info.st_size)

        yield from tree.file_pieces(node.source, header, seen=node.info)
    elif node.kind == "symlink":
        yield go_tar.header(name, attributes, target=tree.target_of(node.source))
    else:
        yield go_tar.header(name, attributes)


def _attributes(node: _Node, version: WriterVersion) -> go_tar.Attributes:
    if node.info is None:
        return go_tar.Attributes("folder", _ROOT_MODE, version.mtime)
    mode = 0o777 if node.kind == "symlink" else stat.S_IMODE(node.info.st_mode)
    if not node.permissions:
        return go_tar.Attributes(node.kind, mode, version.mtime)
    return go_tar.Attributes(node.kind, *_permitted(_text(node.source), node.permissions, mode, version))


def _permitted(
    source: str, permissions: Sequence[Permission], mode: int, version: WriterVersion
) -> tuple[int, int, go_tar.Owner]:
    """Return mode, time and owner after all permissions that match, one after the other.

    Each sets the numbers anew, but names and mode only where it has them.
    """
    owner = go_tar.ROOT
    for permission in permissions:
        with _in_time(permission.pattern):
            matches = permission.pattern.matches(source)
        if matches:
            owner = go_tar.Owner(
                permission.uid,
                permission.gid,
                permission.uname or owner.uname,
                _group(permission, owner, version),
            )
            mode = mode if permission.mode is None else permission.mode
    return mode, version.mtime, owner


def _group(permission: Permission, owner: go_tar.Owner, version: WriterVersion) -> bytes:
    if not permission.gname:
        return owner.gname
    return permission.uname if version.gname_is_uname else permission.gname
