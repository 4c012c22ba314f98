"""The package whose closure becomes an image, as plain values: Nix was asked before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

from flakeship.sources.store_files import LOCAL, StoreFiles

Furnishing: TypeAlias = Literal["minimal", "none"]

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

    @property
    def written(self) -> str:
        """Both in one text, as the annotation PROGRAM has them."""
        return f"{self.main_program or '-'} {self.pname}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package and what is to lie beside it.

    `closure` holds everything, the contents' too. `names` is asked only where there are several programs, for it
    costs an evaluation; `warn` is told what is odd about them. `user` is as the input says it. `wants_program` is
    False where an entry point was given.
    """

    path: str
    system: str
    closure: tuple[StorePath, ...]
    others: tuple[str, ...] = ()
    """The other outputs that were asked for. `path` is the first, after which the image is called."""
    contents: tuple[str, ...] = ()
    names: Callable[[], Names] = Names
    warn: Callable[[str, str], None] = lambda message, hint: None
    base: Furnishing = "minimal"
    user: str = ""
    max_layers: int = 100
    wants_program: bool = True
    files: StoreFiles = LOCAL
    previous: tuple[frozenset[str], ...] = ()
    """The store paths of each layer of the image that this one replaces."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The store paths that were asked for, the first of them first."""
        return (self.path, *self.others)
