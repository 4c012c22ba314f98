"""The package whose closure becomes an image, as plain values: Nix was asked before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

Base: TypeAlias = Literal["minimal", "none"]

BY_PATHS: Final = "store:"
"""The prefix of the keys of layers that hold store paths."""


class StorePath(Protocol):
    """A valid path of the store; `nar_size` is in bytes, `references` never names the path itself."""

    @property
    def path(self) -> str:
        """The whole path, `/nix/store/…`."""

    @property
    def nar_hash(self) -> str:
        """The digest of the path's contents, as Nix states it."""

    @property
    def nar_size(self) -> int:
        """The size of the contents as a NAR, in bytes."""

    @property
    def references(self) -> tuple[str, ...]:
        """The store paths that this one refers to, without itself."""


@dataclass(frozen=True, slots=True)
class Names:
    """`meta.mainProgram` and `pname`; empty where the package does not say."""

    main_program: str = ""
    pname: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package and what is to lie beside it.

    `closure` holds everything, the contents' too. `names` is asked only where there are several programs, for it
    costs an evaluation. `user` is as the input says it. `wants_program` is False where an entry point was given.
    """

    path: str
    system: str
    closure: tuple[StorePath, ...]
    contents: tuple[str, ...] = ()
    names: Callable[[], Names] = Names
    base: Base = "minimal"
    user: str = ""
    max_layers: int = 100
    wants_program: bool = True
    previous: tuple[frozenset[str], ...] = ()
    """The store paths of each layer of the image that this one replaces."""
