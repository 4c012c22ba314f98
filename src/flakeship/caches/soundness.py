"""Is what a cache has of a path usable: does its narinfo agree with Nix, and its NAR with the hash?"""

from __future__ import annotations

import hashlib

from flakeship.caches.nar_entry import NarInfo, PathInfo
from flakeship.image.inflate import uncompressed
from flakeship.image.stream import Reader, chunks, read_full
from flakeship.image.tar.blocks import DamagedError


def says_the_same(found: PathInfo, info: PathInfo) -> bool:
    """Tell whether a cache knows a path as Nix does. Of another build of it the hash differs, and then all else may."""
    if found.nar_hash != info.nar_hash:
        return True
    return (found.nar_size, {*found.references}) == (info.nar_size, {*info.references})


def is_nar_of(info: PathInfo, file: Reader) -> bool:
    """Read a NAR, compressed or not, to its end, and tell whether it is the one that `info` states."""
    digest, size = hashlib.sha256(), 0
    try:
        nar = uncompressed(file)
        while size <= info.nar_size and (data := read_full(nar)):
            digest.update(data)
            size += len(data)
    except DamagedError:
        return False
    return (digest.digest(), size) == (info.nar_hash, info.nar_size)


def is_file_of(info: NarInfo, file: Reader) -> bool:
    """Read a file to its end, and tell whether it is the one that a narinfo states; one that states none states its NAR."""
    if info.file_hash is None:
        return is_nar_of(info, file)
    digest = hashlib.sha256()
    for data in chunks(file):
        digest.update(data)
    return digest.digest() == info.file_hash
