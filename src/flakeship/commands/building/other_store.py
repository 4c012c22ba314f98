"""Where the files of a result are read, if that is not the store of this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from flakeship.nix.closure import PathInfo
from flakeship.sources.nar_files import NarFiles


class OtherStore(Protocol):
    """A store on another machine, or what lies in caches."""

    @property
    def files(self) -> NarFiles:
        """The files of what `closure` was asked for."""
        ...

    @property
    def infos(self) -> Mapping[str, PathInfo]:
        """What was told of all paths whose closures were asked for so far."""
        ...

    @property
    def sizes(self) -> Mapping[str, int]:
        """The sizes of NARs in bytes, of all paths whose closures were asked for so far."""
        ...

    def closure(self, root: str, /) -> tuple[PathInfo, ...]:
        """Return `root` and all that it needs at run time, in the order of `nix.closure`."""
        ...

    def here(self, roots: Sequence[str], /) -> Sequence[str]:
        """Of all that these need, the paths that are read from the store of this machine."""
        ...
