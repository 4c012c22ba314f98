"""What is removed of a repository by hand: old paths, packs that are half empty, and roots that nobody uses any more."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from flakeship import events
from flakeship.caches.packs.index import Held, Index, aged
from flakeship.caches.packs.manifest import MOST_PACKS
from flakeship.caches.packs.pack import PACK_SIZE, CompressedNar
from flakeship.caches.packs.reader import PackCache
from flakeship.caches.packs.repository import (
    ChangedError,
    GoneError,
    Repository,
    StoredRoot,
    root_or_damaged,
    time_for,
)
from flakeship.caches.packs.root import is_root
from flakeship.caches.packs.writer import PackWriter
from flakeship.caches.place import Limits
from flakeship.errors import NotAllowedError, NotAnImageError, UsageError
from flakeship.image.model import Digest

_SMALL: Final = PACK_SIZE // 4
_MANY: Final = 8
"""Small packs of a root from which on they are joined."""

_HOUR: Final = 3600.0

_TRIES: Final = 3

Remove = Callable[[str, Digest], bool]
"""Removes a tag that names this manifest; False if it names another one by now. NotAllowedError if it can't."""


@dataclass(slots=True)
class Pruned:
    """What was done: each of the first three lists holds tags. `by_hand` are those that could not be removed, and why."""

    removed: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    by_hand: dict[str, str] = field(default_factory=dict)
    freed: int = 0
    """Bytes that no root needs any more."""


def prune(
    repository: Repository,
    *,
    limits: Limits,
    folder: Path,
    now: float,
    remove: Remove,
    emit: events.Emit,
) -> Pruned:
    """Prune every root. An Error of the repository ends it; what was done until then stays."""
    done = Pruned()
    tags = repository.tags()
    now = time_for(repository, now)
    for tag in filter(is_root, tags):
        for _ in range(_TRIES):
            if _pruned(repository, tag, done, remove, limits=limits, folder=folder, now=now, emit=emit):
                break
        else:
            emit(
                events.Notice(
                    f"{repository.name}:{tag} is left as it is: other runs write it again and again"
                )
            )
            done.left.append(tag)
    done.freed += repository.tidy()
    return done


def _pruned(
    repository: Repository,
    tag: str,
    done: Pruned,
    remove: Remove,
    *,
    limits: Limits,
    folder: Path,
    now: float,
    emit: events.Emit,
) -> bool:
    """Prune one root. False, and nothing is done, where another run has written it meanwhile."""
    try:
        root, damaged = root_or_damaged(repository, tag)
    except UsageError as error:  # of another tool, or of a later flakeship
        emit(events.Warned(f"{error.message}; it is left as it is", hint=error.hint))
        done.left.append(tag)
        return True
    except (NotAnImageError, GoneError):  # other runs write it again and again
        return False
    if damaged:
        emit(events.Notice(damaged.error.message))
    if root and not _is_unused(root.index, now - limits.days * 86400):
        return _shrunk(repository, root, done, limits=limits, folder=folder, now=now)
    digest = root.digest if root else damaged.digest if damaged else None
    return digest is None or _removed(tag, digest, root, done, remove)


def _is_unused(index: Index, since: float) -> bool:
    return all(line.used < since for line in index.held.values())


def _removed(tag: str, digest: Digest, root: StoredRoot | None, done: Pruned, remove: Remove) -> bool:
    try:
        if not remove(tag, digest):
            return False
    except NotAllowedError as error:
        done.by_hand[tag] = error.message
        return True
    done.removed.append(tag)
    done.freed += root.index.size if root else 0
    return True


def _shrunk(
    repository: Repository, root: StoredRoot, done: Pruned, *, limits: Limits, folder: Path, now: float
) -> bool:
    """Drop old paths, and put what is left of sparse packs into new ones. False if the root is another one by now."""
    kept = aged(root.index, now=int(now), days=limits.days, size=limits.size, packs=MOST_PACKS)
    sparse = _sparse(kept)
    if not sparse and kept == root.index:
        return True
    writer = PackWriter(
        repository, root.tag, folder=folder, emit=events.ignore, limits=limits, now=lambda: now
    )
    cache = PackCache(repository, (root,), folder=folder, emit=events.ignore)
    try:
        for line in sorted(kept.held.values(), key=lambda line: (line.pack, line.offset)):
            if line.pack in sparse:
                _moved(line, cache, writer)
        written = writer.finish(
            _HOUR, damaged=cache.damaged, gone={*sparse, *cache.gone}, roots=(root,), anyway=True
        )
    finally:
        cache.close()
    if isinstance(writer.stopped, ChangedError):
        return False
    if writer.stopped:
        raise writer.stopped
    assert written
    done.written.append(root.tag)
    done.freed += max(0, root.index.size - written.all_size)
    return True


def _sparse(index: Index) -> Collection[Digest]:
    """Return the packs of which less than half is needed, and the small ones if there are many."""
    live: dict[Digest, int] = dict.fromkeys(index.packs, 0)
    for line in index.held.values():
        live[line.pack] += line.entry.frame_size
    half = {digest for digest, size in index.packs.items() if 2 * live[digest] < size}
    small = {digest for digest, size in index.packs.items() if size < _SMALL}
    return half | small if len(small) > _MANY else half


def _moved(line: Held, cache: PackCache, writer: PackWriter) -> None:
    opened = cache.open(line.entry)
    if opened is None:  # damaged, or gone: then it is no loss
        return
    with opened as reader:
        writer.put(CompressedNar(line.entry, reader), used=line.used)
