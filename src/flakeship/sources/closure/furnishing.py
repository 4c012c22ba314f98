"""What an image has beside the store: the links of its contents into `/`, a user, /tmp, and names of both."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from flakeship.errors import UsageError
from flakeship.image.tar.header import END, padding
from flakeship.image.tar.writer import form, header
from flakeship.sources.package import Package
from flakeship.sources.store_files import StoreFiles

_NONROOT: Final = 65532
"""The number that distroless images use."""
_NOT_FOR_ROOT: Final = frozenset({"nix-support", "propagated-build-inputs"})
# docs/decisions.md#the-folders-of-a-base-image-stay
_NOT_OVER_A_BASE: Final = _NOT_FOR_ROOT | {"bin", "sbin", "lib", "lib32", "lib64", "libx32"}
"""In most distributions these are links to what lies below /usr: a folder in their place would hide all of that."""
_NSSWITCH: Final = b"passwd: files\ngroup: files\nhosts: files dns\n"


@dataclass(frozen=True, slots=True)
class User:
    """Who the program runs as; `spelled` is what the config says."""

    name: str
    group: str
    uid: int
    gid: int
    home: str
    spelled: str


@dataclass(slots=True)
class _Folder:
    """`mode` with the owner; children by name."""

    mode: int = 0o755
    owner: tuple[int, int] = (0, 0)
    children: dict[bytes, _Folder | bytes | str] = field(default_factory=dict)
    """A folder, a file's content, or where a link leads."""


def user_of(text: str) -> User:
    """`nonroot` unless the input `user` says a name, or numbers; a name keeps its spelling, and gets nonroot's number."""
    first, _, second = text.partition(":")
    uid = _number(first)
    gid = _number(second) if second else uid
    name = "root" if uid == 0 else first if first and not first.isdigit() else "nonroot"
    group = "root" if gid == 0 else second if second and not second.isdigit() else name
    home = "/root" if uid == 0 else f"/home/{name}"
    return User(name, group, uid, gid, home, text or f"{uid}:{gid}")


def _number(name: str) -> int:
    return int(name) if name.isdigit() else 0 if name == "root" else _NONROOT


def furnished(package: Package) -> bytes:
    """Return the tar of the last layer of a package's image: links to `contents`, and a user and /tmp with `minimal`.

    It is empty if nothing is asked for. UsageError where two contents hold the same file.
    """
    root = _Folder()
    for store_path in package.contents:
        _link(root, store_path, package.files, without=_NOT_FOR_ROOT)
    if package.base == "minimal":
        _add_user_and_tmp(root, user_of(package.user), package.files)
    return b"".join(_written(root, b"")) + END if root.children else b""


def key_of(tar: bytes) -> str:
    """Return the key of the layer that is this tar."""
    return f"files:{hashlib.sha256(tar).hexdigest()}"


def links_for_base(package: Package) -> bytes:
    """Return the last layer of a package on a base image, whose folders stay: links to files only, no user, no /tmp."""
    root = _Folder()
    for store_path in package.contents:
        _link(root, store_path, package.files, without=_NOT_OVER_A_BASE)
    _opened(root, frozenset(), package.files)
    return b"".join(_written(root, b"")) + END if root.children else b""


def _opened(folder: _Folder, above: frozenset[str], files: StoreFiles) -> None:
    """Make every link to a folder a folder of links; one that leads to what it lies in stays."""
    for name, child in folder.children.items():
        if (
            isinstance(child, str)
            and files.kind(child) == "folder"
            and (real := files.real(child)) not in above
        ):
            folder.children[name] = opened = _Folder()
            _link(opened, child, files)
            _opened(opened, above | {real}, files)
        elif isinstance(child, _Folder):
            _opened(child, above, files)


def _add_user_and_tmp(root: _Folder, user: User, files: StoreFiles) -> None:
    _folder(root, "tmp", files, replaced=True).mode = 0o1777
    passwd, group = b"root:x:0:0:root:/root:/bin/sh\n", b"root:x:0:\n"
    if user.uid:
        passwd += f"{user.name}:x:{user.uid}:{user.gid}:{user.name}:{user.home}:/bin/sh\n".encode()
    if user.gid:
        group += f"{user.group}:x:{user.gid}:\n".encode()
    etc = _folder(root, "etc", files)
    for name, text in {b"passwd": passwd, b"group": group, b"nsswitch.conf": _NSSWITCH}.items():
        etc.children.setdefault(name, text)
    home = _folder(root, user.home[1:], files, replaced=True)
    home.mode, home.owner = 0o700, (user.uid, user.gid)


def _folder(root: _Folder, path: str, files: StoreFiles, *, replaced: bool = False) -> _Folder:
    """The folder at `path`; a link that is there is opened into links to what it leads to, or replaced."""
    place = root
    for part in path.encode().split(b"/"):
        found = place.children.get(part)
        if not isinstance(found, _Folder):
            place.children[part] = opened = _Folder()
            if isinstance(found, str) and not replaced:
                _link(opened, found, files)
            found = opened
        place = found
    return place


def _link(folder: _Folder, tree: str, files: StoreFiles, *, without: frozenset[str] = frozenset()) -> None:
    """Link what `tree` holds into `folder`; a folder that several hold becomes a folder of links."""
    if files.kind(tree) != "folder":
        raise UsageError(
            f"contents: {tree} is a file, but only what a folder holds can be linked into /",
            hint="name a package with bin/, etc/ or share/",
        )
    for name in files.names(tree):
        own = os.path.join(tree, os.fsdecode(name))  # noqa: PTH118  a name of the store, which may lie elsewhere
        found = folder.children.get(name)
        if found is None:
            if os.fsdecode(name) not in without:
                folder.children[name] = own
        elif isinstance(found, _Folder) and files.kind(own) == "folder":
            _link(found, own, files)
        elif isinstance(found, str) and files.kind(own) == "folder" and files.kind(found) == "folder":
            folder.children[name] = merged = _Folder()
            _link(merged, found, files)
            _link(merged, own, files)
        elif not (isinstance(found, str) and files.real(found) == files.real(own)):
            raise UsageError(
                f"contents: both {own} and {found if isinstance(found, str) else 'a folder of another'} want the same place in /",
                hint="leave one of the two out",
            )


def _written(folder: _Folder, path: bytes) -> Sequence[bytes]:
    pieces: list[bytes] = []
    for name in sorted(folder.children):
        child, place = folder.children[name], path + name
        match child:
            case _Folder(mode=mode, owner=(uid, gid)):
                pieces.append(header(place + b"/", form("folder", mode, uid=uid, gid=gid)))
                pieces += _written(child, place + b"/")
            case bytes():
                pieces += (header(place, _FILE, size=len(child)), child, padding(len(child)))
            case str():
                pieces.append(header(place, _SYMLINK, target=os.fsencode(child)))
    return pieces


_FILE: Final = form("file", 0o644)
_SYMLINK: Final = form("symlink", 0o777)


def environment(package: Package, *, linked: bool) -> Mapping[str, str]:
    """PATH, and where the certificates are if a bundle is among the contents, be these `linked` into / or not."""
    kind = package.files.kind
    folders = [f"{package.path}/bin"] if kind(package.path) == "folder" and not package.others else []
    folders += [
        f"{path}/bin" for path in package.outputs if package.others and kind(f"{path}/bin") == "folder"
    ]
    others = [f"{path}/bin" for path in package.contents if kind(f"{path}/bin") == "folder"]
    folders += ["/bin"] * bool(others) if linked else others
    bundles = (f"{path}/etc/ssl/certs/ca-bundle.crt" for path in package.contents)
    bundle = next((path for path in bundles if kind(path) == "file"), "")
    known = {"PATH": ":".join(folders), "SSL_CERT_FILE": bundle}
    return {name: value for name, value in known.items() if value}
