"""The values of an SBOM: components, what they are made from, and the image that holds them. Nothing here does I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from flakeship.nix.licences import Licence

Certainty: TypeAlias = Literal["stated", "known", "guessed"]
"""Who says which product of the NVD a component is: its author, our own short table, or nobody, so that name and vendor are one."""


@dataclass(frozen=True, slots=True)
class Output:
    """A store path of a derivation. `nar_hash` is spelled `sha256-BASE64=`, `nar_size` is in bytes; both are missing where Nix does not know the path."""

    path: str
    name: str = ""
    nar_hash: str = ""
    nar_size: int | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """A file or a tree that was fetched to build a component from.

    `digest` is in hex. It is the digest of the file at `urls` if `flat`, else of its NAR archive. `revision` is that of a
    repository, which `urls` then lead to.
    """

    urls: tuple[str, ...]
    algorithm: str = ""
    digest: str = ""
    flat: bool = False
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch that was applied. `place` is the URL that it was fetched from, else its path in the store."""

    name: str
    place: str


@dataclass(frozen=True, slots=True)
class Cpe:
    """The name of a product at the NVD, `cpe:2.3:a:VENDOR:PRODUCT:VERSION:…`."""

    text: str
    certainty: Certainty


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """What one derivation has in the image, or a package of a language inside its files; what is not known is empty.

    `ref` names the component in its document. `depends_on` holds the refs of
    the components that it refers to at run time and of those inside its files, without itself. `found_in` says what stated a package inside a file, and is
    empty for what a derivation has; `outputs` are empty then. `source` is where cargo took it from, if not from crates.io.
    """

    ref: str
    name: str
    version: str
    purl: str
    outputs: tuple[Output, ...]
    derivation: str = ""
    licenses: tuple[Licence, ...] = ()
    homepage: str = ""
    description: str = ""
    position: str = ""
    source_purl: str = ""
    origins: tuple[Origin, ...] = ()
    patches: tuple[Patch, ...] = ()
    cpe: Cpe | None = None
    possible_cpes: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    found_in: str = ""
    source: str = ""

    @property
    def knows_needs(self) -> bool:
        """Whether `depends_on` is all: Nix tells what a store path refers to, and without it nobody does."""
        return all(output.nar_hash for output in self.outputs)


@dataclass(frozen=True, slots=True)
class Counts:
    """How far each tier reached: store paths in all, those that Nix knows, those with a derivation, those with a `meta`, those
    whose files were looked at; the packages that were found inside files, and the files that are damaged or too large; the layers that nobody looked
    into, which may hold more store paths.
    """

    paths: int
    known: int
    with_derivation: int
    with_meta: int
    read: int = 0
    carried: int = 0
    unreadable: int = 0
    layers_unread: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """Everything that a document is made of. `created` is the date of the image, as RFC 3339 writes it in UTC; never that of today.

    `version` is the digest of the image where one is known. `maker` is the version of this program. `roots` are the refs of
    what nothing else in the image refers to.
    """

    name: str
    version: str
    created: str
    maker: str
    components: tuple[Component, ...]
    roots: tuple[str, ...]
    counts: Counts
