"""Where a run's results are kept, whichever kind of place that is: what is read from it, and what takes new paths."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple, Protocol

from flakeship.caches.nar_entry import PathInfo
from flakeship.caches.plan import CachePart
from flakeship.errors import Error


class Pushed(NamedTuple):
    """What is new in a cache: paths, and their compressed size in bytes."""

    paths: int
    size: int


class Taker(Protocol):
    """What paths are pushed to. It may be called by several threads."""

    @property
    def stopped(self) -> Error | None:
        """Why nothing more is taken; None as long as something is."""
        ...

    def __contains__(self, hash_part: str, /) -> bool:
        """Tell whether a path was taken."""
        ...

    def be_ready(self) -> None:
        """Note that paths will come soon. Nothing is waited for."""
        ...

    def add(self, info: PathInfo, nar: Iterable[bytes], /) -> object:
        """Take a path. ValueError unless the NAR is the one that `info` tells of, OSError where it can't be read."""
        ...


class Keeper(Protocol):
    """One cache of one run. Its methods raise no Error: a cache never breaks a build."""

    @property
    def name(self) -> str:
        """How messages call it: `the cache oci:DIR`."""
        ...

    @property
    def part(self) -> CachePart:
        """Return what the build needs in order to read it."""
        ...

    @property
    def taker(self) -> Taker | None:
        """Return what takes new paths; None where nothing may be written."""
        ...

    def takes(self) -> bool:
        """Tell whether new paths can be written, as far as that is known; it may wait until what is there has been read."""
        ...

    def held(self, hash_parts: Collection[str]) -> Collection[str]:
        """Return those of these paths, by their 32 letters, that need not be pushed."""
        ...

    def is_sound(self, info: PathInfo, *, copied: bool) -> bool:
        """Tell whether Nix can read a path here that is held, and that this run has built all the same.

        `copied` says that Nix began to copy it: then its content is in doubt, which is compared with its hash.
        """
        ...

    def has_lost(self, hash_part: str) -> bool:
        """Tell whether a path of this cache turned out to be damaged or gone. Nothing is asked for."""
        ...

    def is_public(self) -> bool:
        """Tell whether anybody can read it without a password; True where that can't be found out."""
        ...

    @property
    def hint_if_public(self) -> str:
        """Return what to do where it is public and must not be."""
        ...

    def be_awaited(self) -> None:
        """Note that the run has nothing else to do any more: a place that takes nothing is not waited for as long then."""
        ...

    def settle(self) -> None:
        """Make known what was taken, while the run does other things; more may be taken behind it."""
        ...

    def finish(self, seconds: float) -> Pushed | None:
        """Complete what was taken within so many seconds; None if nothing is new."""
        ...

    def close(self) -> None:
        """Remove what was kept on this machine for it."""
        ...
