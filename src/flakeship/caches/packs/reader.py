"""Roots of one repository, read as one cache: what Nix is served is checked before its first byte is handed on."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flakeship import events
from flakeship.caches.nar_entry import NarEntry
from flakeship.caches.packs.answers import answers_within
from flakeship.caches.packs.blocks import PATIENCE, Blocks, LateError
from flakeship.caches.packs.index import Held, Index
from flakeship.caches.packs.inflated_size import gives_more
from flakeship.caches.packs.repository import GoneError, Repository, StoredRoot, read_root
from flakeship.caches.packs.root import Root, is_of_family
from flakeship.caches.packs.silence import Silence
from flakeship.errors import Error, NotAnImageError, RejectedError, is_disk_full
from flakeship.image.model import Digest
from flakeship.image.stream import Reader

if TYPE_CHECKING:  # most caches have no key
    from flakeship.caches.packs.signing import PublicKey

_MOST_ROOTS: Final = 8
"""Roots of other attributes that are read where neither of the two that were named is there."""

_TRIES: Final = 2


class PackCache:
    """A `NarCache`. `roots` stand in their order: of a path that several hold, that of the first is taken.

    Where `keys` are given, a path without a signature of one of them is not there.
    """

    def __init__(
        self,
        repository: Repository,
        roots: Sequence[StoredRoot],
        *,
        folder: Path,
        emit: events.Emit,
        keys: Sequence[PublicKey] = (),
        silence: Silence | None = None,
    ) -> None:
        self._repository, self._folder, self._emit, self._keys = repository, folder, emit, keys
        self.roots = tuple(roots)
        self._indexes: tuple[Index, ...] = tuple(root.index for root in roots)
        self._sizes: dict[Digest, int] = {
            digest: size for index in self._indexes for digest, size in index.packs.items()
        }
        self._blocks = Blocks(repository, folder, silence=silence)
        self._lock = threading.Lock()
        self._signed: dict[str, bool] = {}
        self._told: set[str] = set()
        self._dead = False
        self.used: set[str] = set()
        """The hash parts of what was served, or needed without being served."""
        self.damaged: set[str] = set()
        """The hash parts of what is not what its index says."""
        self.unreachable = False
        """Whether a root could not be asked for, so that writing one would fail as well. One that is damaged is written anew."""
        self.gone: set[Digest] = set()
        """The packs that an index names and that are not there."""

    @property
    def name(self) -> str:
        """How messages call the cache."""
        return f"the cache {self._repository.name}"

    def __contains__(self, hash_part: str) -> bool:
        """Tell whether the cache has a path."""
        return self.entry(hash_part) is not None

    def __len__(self) -> int:
        """Return the number of paths, whether or not they are signed."""
        return len(set().union(*(index.held for index in self._indexes)))

    def has_lost(self, hash_part: str) -> bool:
        """Tell whether a path is in an index, and is damaged or lies in a pack that is gone."""
        lines = [line for index in self._indexes if (line := index.held.get(hash_part))]
        return hash_part in self.damaged or (bool(lines) and all(line.pack in self.gone for line in lines))

    def entry(self, hash_part: str) -> NarEntry | None:
        """Return the path with these 32 letters. Nothing is asked for: the indexes are in memory."""
        line = self._line(hash_part)
        return line.entry if line else None

    def _line(self, hash_part: str) -> Held | None:
        if self._dead or hash_part in self.damaged:
            return None
        for index in self._indexes:
            line = index.held.get(hash_part)
            if line and line.pack not in self.gone and self._is_trusted(line):
                return line
        return None

    def _is_trusted(self, line: Held) -> bool:
        if not self._keys:
            return True
        entry = line.entry
        known = f"{entry.path} {line.pack} {line.offset}"
        if known not in self._signed:
            self._signed[known] = any(key.has_signed(entry) for key in self._keys)
            if not self._signed[known]:
                names = ", ".join(key.name for key in self._keys)
                self._tell(
                    "signature",
                    f"{self.name} holds paths without a valid signature of {names}, and they are built anew",
                    hint="give the public key of the secret key that `nix-cache-key` is, and give that key to each job that writes",
                )
        return self._signed[known]

    def open(self, entry: NarEntry) -> contextlib.AbstractContextManager[Reader] | None:
        """Return the compressed NAR, all of which was checked; None where it can't be had, which is told once."""
        line = self._line(entry.hash_part)
        if not line or line.entry.frame != entry.frame:
            return None
        try:
            reader = self._checked(line)
        except Exception as error:  # noqa: BLE001 - the build goes on without what the cache can't give
            self._failed(line, error)
            return None
        self.use(entry.hash_part)
        return reader

    def expect(self, hash_part: str) -> None:
        """Note that a path will be opened soon, so that it is fetched together with others."""
        line = self._line(hash_part)
        if line:
            self._blocks.expect(line.pack, self._sizes[line.pack], line.offset, line.entry.frame_size)

    def lose(self, hash_part: str) -> None:
        """Note that a path is not what its index says."""
        self.damaged.add(hash_part)

    @property
    def has_warned(self) -> bool:
        """Whether a warning has said what is wrong with it, once it was open."""
        return bool(self._told)

    def use(self, hash_part: str) -> None:
        """Note that a path was needed, so that it is kept."""
        self.used.add(hash_part)

    def _checked(self, line: Held) -> Reader:
        """Return a frame that was compared with its hash. RejectedError if it is another one, also when it is fetched anew."""
        size = self._sizes[line.pack]
        for _ in range(_TRIES):
            part = self._blocks.part(line.pack, size, line.offset, line.entry.frame_size)
            hasher = hashlib.sha256()
            for piece in part.pieces():
                hasher.update(piece)
            if hasher.digest() == line.entry.frame:
                if gives_more(part.at, line.entry.frame_size, line.entry.nar_size, part.open):
                    raise RejectedError(f"{line.entry.path} is larger than the index states", hint=_ANEW)
                return part.open()
            part.forget()  # it may have been damaged on its way
        raise RejectedError(f"{line.entry.path} does not have the hash that the index states", hint=_ANEW)

    def _failed(self, line: Held, error: Exception) -> None:
        if self._dead:  # told, or closed while this was under way
            return
        why = error.message if isinstance(error, Error) else str(error) or type(error).__name__
        match error:
            case RejectedError():
                self.damaged.add(line.entry.hash_part)
                self._tell(
                    "damaged", f"{self.name} holds damaged paths, which are built anew: {why}", hint=_ANEW
                )
            case GoneError() if not isinstance(error, LateError):
                self.gone.add(line.pack)
                self._tell(
                    "gone", f"{self.name} lacks a pack, and what lay in it is built anew: {why}", hint=_KEEP
                )
            case OSError() if is_disk_full(error):
                self._dead = True
                self._tell(
                    "dead",
                    f"{self.name} is not used any more: the disk is full",
                    hint="free some space, or set TMPDIR to a folder on a larger disk",
                )
            case _:
                self._dead = True
                hint = (error.hint or error.usual_hint) if isinstance(error, Error) else ""
                self._tell("dead", f"{self.name} is not used any more: {why}", hint=hint or _WITHOUT)

    def _tell(self, kind: str, text: str, *, hint: str) -> None:
        with self._lock:
            first = kind not in self._told
            self._told.add(kind)
        if first:
            self._emit(events.Warned(text, hint=hint))

    def close(self) -> None:
        """Remove what was kept, and wait for nothing."""
        self._dead = True
        self._blocks.close()


_ANEW: Final = "run `flakeship cache verify`, which lists all of them; this build writes them anew"
_KEEP: Final = "let nothing but flakeship remove blobs of that repository; the next build fills it anew"
_WITHOUT: Final = "the build goes on without it"


def open_cache(
    repository: Repository,
    own: Root,
    *others: Root,
    folder: Path,
    emit: events.Emit,
    keys: Sequence[PublicKey] = (),
    patience: float = PATIENCE,
    silence: Silence | None = None,
) -> PackCache:
    """Read the own root and those of `others` (the default branch's), all at once, and all of it within `patience` seconds.

    Where none of them is there, other roots of the same refs and system are looked for. It never raises an Error: what
    can't be read is left out with a warning.
    """
    tags = list(dict.fromkeys(root.tag for root in (own, *others)))
    unreachable = threading.Event()
    deadline = time.monotonic() + patience
    if len(tags) > 1:
        repository.be_asked(len(tags) - 1)  # beside the one of the first contact
    found = _read(repository, tags, emit, patience, unreachable)
    if not any(found.values()) and len(found) == len(tags):
        families = tuple(dict.fromkeys(root.family for root in (own, *others)))
        more: list[str] = []
        left = deadline - time.monotonic()
        listed = answers_within(left, {"": lambda: list(repository.tags())})[""]
        if isinstance(listed, list):
            more = [tag for family in families for tag in listed if is_of_family(tag, family)]
            left = deadline - time.monotonic()
            found = _read(repository, more[:_MOST_ROOTS], emit, left, unreachable)
    roots = [root for root in found.values() if root]
    cache = PackCache(repository, roots, folder=folder, emit=emit, keys=keys, silence=silence)
    cache.unreachable = unreachable.is_set()
    return cache


def _read(
    repository: Repository,
    tags: Sequence[str],
    emit: events.Emit,
    patience: float,
    unreachable: threading.Event,
) -> dict[str, StoredRoot | None]:
    """Return what could be read, None for a root that is not there; one that failed is not in the result, but told."""
    answers = answers_within(patience, {tag: lambda tag=tag: read_root(repository, tag) for tag in tags})  # type: ignore[misc]
    found: dict[str, StoredRoot | None] = {}
    told: set[str] = set()
    for tag, answer in answers.items():
        if not isinstance(answer, Exception):
            found[tag] = answer
            continue
        if not isinstance(answer, NotAnImageError | GoneError) or isinstance(answer, LateError):
            unreachable.set()
        why = answer.message if isinstance(answer, Error) else str(answer) or type(answer).__name__
        hint = (answer.hint or answer.usual_hint) if isinstance(answer, Error) else ""
        if why not in told:
            emit(events.Warned(f"the cache {repository.name} is left out: {why}", hint=hint or _WITHOUT))
        told.add(why)
    return found
