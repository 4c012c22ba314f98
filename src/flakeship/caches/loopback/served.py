"""What the loopback server serves: a cache as Nix asks for it, and our own caches in that form."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol, runtime_checkable

from flakeship.caches.nar_entry import NarCache, narinfo_of
from flakeship.image.stream import Reader

_SUFFIX: Final = ".nar.zst"
_PRIORITY: Final = 30
"""Nix asks the lowest first. That of cache.nixos.org is 40, and a cache that says nothing has 50."""


@dataclass(frozen=True, slots=True)
class Nar:
    """A NAR as it is in the cache, usually compressed: `size` bytes in all, and `reader` from the first.

    If a read raises, Nix sees the connection break.
    """

    size: int
    reader: Reader


@runtime_checkable
class InFile(Protocol):
    """A reader whose bytes stand in a file, which the kernel can send without us."""

    def in_file(self) -> tuple[BinaryIO, int]:
        """Return the file, and the place of the next byte in it."""
        ...


class Served(Protocol):
    """A cache behind the loopback server. Each method may be called by several threads; what raises is answered by 404."""

    def info(self) -> bytes:
        """Return the `nix-cache-info`. Without one Nix takes the cache for none, and tries to write it."""
        ...

    def narinfo(self, hash_part: str) -> bytes | None:
        """Return the narinfo of the path with these 32 letters, whose URL is `nar/NAME`; None if it is not there."""
        ...

    def nar(self, name: str) -> AbstractContextManager[Nar] | None:
        """Return the NAR that a narinfo calls `nar/NAME`; None if it is not there."""
        ...

    @property
    def has_warned(self) -> bool:
        """Whether a warning has said what is wrong with the cache."""
        ...

    def close(self) -> None:
        """Report what is only known at the end. Nothing is asked any more."""
        ...


def cache_info(*, priority: int, mass_query: bool = True) -> bytes:
    """Write a `nix-cache-info`. With `mass_query` Nix asks the cache about all paths at once."""
    return f"StoreDir: /nix/store\nWantMassQuery: {mass_query:d}\nPriority: {priority}\n".encode()


class OwnCache:
    """A `Served` for a cache of ours. With `reads_ahead` whoever asks about a path will fetch it, as Nix does."""

    def __init__(self, cache: NarCache, *, reads_ahead: bool = False) -> None:
        self._cache, self._reads_ahead = cache, reads_ahead

    def info(self) -> bytes:
        """Return the `nix-cache-info`: Nix asks this cache before others."""
        return cache_info(priority=_PRIORITY)

    def narinfo(self, hash_part: str) -> bytes | None:
        """Return the narinfo of a path. Nix asks about all that it will fetch before it fetches the first."""
        entry = self._cache.entry(hash_part)
        if not entry:
            return None
        if self._reads_ahead:
            self._cache.expect(hash_part)
        return narinfo_of(entry, f"nar/{hash_part}{_SUFFIX}")

    def nar(self, name: str) -> AbstractContextManager[Nar] | None:
        """Return the NAR, which the cache has checked."""
        entry = self._cache.entry(name.removesuffix(_SUFFIX))
        opened = self._cache.open(entry) if entry else None
        return _sized(opened, entry.frame_size) if entry and opened else None

    @property
    def has_warned(self) -> bool:
        """Whether a warning has said what is wrong with the cache."""
        return self._cache.has_warned

    def close(self) -> None:
        """Do nothing: whoever opened the cache closes it."""


@contextlib.contextmanager
def _sized(opened: AbstractContextManager[Reader], size: int) -> Iterator[Nar]:
    with opened as reader:
        yield Nar(size, reader)
