"""Everything that a repository holds, read and compared with what its indexes say."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from flakeship.caches.packs.index import Held
from flakeship.caches.packs.repository import GoneError, Repository, StoredRoot, read_root
from flakeship.caches.packs.root import is_root
from flakeship.errors import NotAnImageError, UsageError
from flakeship.image.inflate import uncompressed
from flakeship.image.model import Digest
from flakeship.image.stream import CHUNK, Joined, Pieces, chunks, read_full
from flakeship.image.tar.blocks import DamagedError


@dataclass(slots=True)
class Verified:
    """`problems` are whole clauses, each of which begins with what it is about."""

    roots: int = 0
    paths: int = 0
    size: int = 0
    problems: list[str] = field(default_factory=list)


def verify(repository: Repository, folder: Path) -> Verified:
    """Read every root and every pack, each once, through a file in `folder`. An Error of the repository ends it."""
    found = Verified()
    lines: dict[Digest, list[tuple[str, Held]]] = defaultdict(list)
    sizes: dict[Digest, int] = {}
    for root in _roots(repository, found):
        found.roots += 1
        sizes.update(root.index.packs)
        for line in root.index.held.values():
            lines[line.pack].append((root.tag, line))
    for digest, held in lines.items():
        _verify_pack(repository, (digest, sizes[digest]), held, folder, found)
    return found


def _roots(repository: Repository, found: Verified) -> Iterator[StoredRoot]:
    for tag in repository.tags():
        if not is_root(tag):
            continue
        try:
            if root := read_root(repository, tag):
                yield root
        except (UsageError, NotAnImageError, GoneError) as error:
            found.problems.append(f"{tag}: {error.message}")


def _verify_pack(
    repository: Repository,
    pack: tuple[Digest, int],
    held: list[tuple[str, Held]],
    folder: Path,
    found: Verified,
) -> None:
    digest, size = pack
    with tempfile.TemporaryFile(dir=folder) as file:
        hasher = hashlib.sha256()
        try:
            with repository.whole(digest) as reader:
                for data in chunks(reader):
                    hasher.update(data)
                    file.write(data)
        except GoneError as error:
            found.problems.append(f"{', '.join(sorted({tag for tag, _ in held}))}: {error.message}")
            return
        file.flush()
        found.size += file.tell()
        whole = (f"sha256:{hasher.hexdigest()}", file.tell()) == (digest, size)
        if not whole:
            found.problems.append(f"{digest[:19]}: the pack is damaged")
        for tag, line in held:
            found.paths += 1
            if why := _wrong(line, file):
                found.problems.append(f"{tag}: {line.entry.path} {why}")


def _wrong(line: Held, file: IO[bytes]) -> str:
    """Say what is wrong with a path; empty if nothing is."""
    entry, frame, plain, size = line.entry, hashlib.sha256(), hashlib.sha256(), 0
    for data in _pieces(file, line.offset, entry.frame_size):
        frame.update(data)
    if frame.digest() != entry.frame:
        return "is not the frame that the index tells of"
    try:
        with uncompressed(Joined(_pieces(file, line.offset, entry.frame_size))) as nar:
            while size <= entry.nar_size and (data := read_full(nar)):
                plain.update(data)
                size += len(data)
    except DamagedError as error:
        return f"can't be inflated: {error}"
    return (
        ""
        if (plain.digest(), size) == (entry.nar_hash, entry.nar_size)
        else "has another NAR than the index tells of"
    )


def _pieces(file: IO[bytes], start: int, size: int) -> Pieces:
    while size and (data := os.pread(file.fileno(), min(size, CHUNK), start)):
        yield data
        start, size = start + len(data), size - len(data)
