"""What Nix would take from caches, found out without Nix: the paths that something needs, each from where Nix would have it.

A path counts as available where Nix would accept it: its cache is trusted, a trusted key has signed it, or the hash in its
name is made of its contents. https://nix.dev/manual/nix/latest/command-ref/conf-file#conf-require-sigs
"""

from __future__ import annotations

import contextlib
import hashlib
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Final

from flakeship.caches.nar_entry import NarInfo, PathInfo, nix32
from flakeship.caches.nar_source import NarSource
from flakeship.caches.packs.signing import PublicKey
from flakeship.errors import UsageError
from flakeship.image.stream import Reader
from flakeship.image.workers import workers
from flakeship.store_paths import STORE, hash_of, name_of

_AT_ONCE: Final = 32
"""Questions to caches at the same time: at 20 ms, a thousand paths take a second."""

_RECURSIVE: Final = "fixed:r:sha256:"
_PATH_HASH: Final = 20
"""Bytes of the hash in a store path: https://nix.dev/manual/nix/latest/protocols/store-path."""


@dataclass(frozen=True, slots=True)
class Substitute:
    """A path, and the cache that has it."""

    info: NarInfo
    source: NarSource

    @property
    def references(self) -> tuple[str, ...]:
        """The whole paths that it refers to, without itself."""
        return tuple(sorted({STORE + name for name in self.info.references} - {self.info.path}))

    def opened(self) -> contextlib.AbstractContextManager[Reader]:
        """Open its NAR. SourceGoneError as `NarSource.nar`."""
        return self.source.nar(self.info)


class Substitutes:
    """`sources` stand in the order in which Nix asks them. `keys` are as nix.conf has them; None where it wants no signatures."""

    def __init__(self, sources: Sequence[NarSource], keys: Sequence[str] | None) -> None:
        self._sources = tuple(sources)
        self._keys = None if keys is None else tuple(_parsed(keys))

    def find(self, path: str) -> Substitute | None:
        """Return the first that Nix would take. It asks one cache after the other."""
        hash_part = hash_of(path)
        for source in self._sources:
            info = source.info(path, hash_part)
            if info and (source.trusted or self._believes(info)):
                return Substitute(info, source)
        return None

    def closure(self, roots: Sequence[str], is_here: Callable[[str], bool]) -> dict[str, Substitute] | None:
        """Return all that `roots` need, without what is here already; None as soon as one path can't be had.

        Paths are asked for as soon as another names them, many at once.
        """
        found: dict[str, Substitute] = {}
        asked: set[str] = set()
        with workers("ask-caches", _AT_ONCE) as pool:
            answers: queue.SimpleQueue[Future[Substitute | None]] = queue.SimpleQueue()
            waiting = self._ask(roots, asked, is_here, pool, answers)
            while waiting:
                substitute = answers.get().result()
                if substitute is None:
                    pool.shutdown(wait=False, cancel_futures=True)
                    return None
                found[substitute.info.path] = substitute
                waiting += self._ask(substitute.references, asked, is_here, pool, answers) - 1
        return found

    def _ask(
        self,
        paths: Sequence[str],
        asked: set[str],
        is_here: Callable[[str], bool],
        pool: Executor,
        answers: queue.SimpleQueue[Future[Substitute | None]],
    ) -> int:
        """Ask for those that nobody has asked for; return how many these are."""
        new = [path for path in dict.fromkeys(paths) if path not in asked]
        asked.update(new)
        absent = [path for path in new if not is_here(path)]
        for path in absent:
            pool.submit(self.find, path).add_done_callback(answers.put)
        return len(absent)

    def _believes(self, info: PathInfo) -> bool:
        return (
            self._keys is None or any(key.has_signed(info) for key in self._keys) or _says_what_it_holds(info)
        )


def _parsed(keys: Sequence[str]) -> Iterator[PublicKey]:
    for text in keys:
        with contextlib.suppress(UsageError):  # Nix says what is wrong with it
            yield PublicKey.parse(text)


def _says_what_it_holds(info: PathInfo) -> bool:
    """Whether the path's own hash is made of its NAR's hash, as that of a source is.

    https://nix.dev/manual/nix/latest/protocols/store-path, "source". Other content addresses are not looked at: what Nix
    believes of them, it realises.
    """
    if info.ca != _RECURSIVE + nix32(info.nar_hash):
        return False
    references = sorted(STORE + name for name in info.references)
    if info.path in references:
        return False
    kind = ":".join(("source", *references))
    text = f"{kind}:sha256:{info.nar_hash.hex()}:{STORE.rstrip('/')}:{name_of(info.path)}"
    digest = bytearray(_PATH_HASH)
    for place, byte in enumerate(hashlib.sha256(text.encode()).digest()):
        digest[place % _PATH_HASH] ^= byte
    return nix32(bytes(digest)) == hash_of(info.path)
