"""The interface of a cache: the inputs and tools that it is given, and what it adds to the build."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from flakeship.events import Emit, Event
from flakeship.nix.build import BuildOutput
from flakeship.nix.command import Nix
from flakeship.nix.configuration import settings
from flakeship.nix.substituters import Substituters

if TYPE_CHECKING:  # most caches are in no registry
    from flakeship.caches.nar_entry import NarCache
    from flakeship.caches.packs.signing import SecretKey
    from flakeship.caches.place import NixCache
    from flakeship.caches.substitutes import Substitutes
    from flakeship.http.transport import Transport
    from flakeship.registry.client import RegistryClient
    from flakeship.registry.reference import Reference

PROBE_SECONDS: Final = 5.0


class FetchDocument(Protocol):
    """A function that gets one small document by HTTP."""

    def __call__(self, url: str, seconds: float, /, *, token: str = "") -> bytes:
        """Return the body of a response with status 200; anything else raises an exception of any class.

        `seconds` bounds the whole request. `token` is sent as `Authorization: Bearer`.
        """
        ...


class OpenClient(Protocol):
    """A function that gives a client for a repository, with the credentials that the run has for it."""

    def __call__(self, reference: Reference, /, *, actions: str = "pull,push") -> RegistryClient:
        """`actions` are the rights to ask for, as a token server knows them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptResults:
    """The input `nix-cache`, and what of the run decides where its results are kept.

    `image` is the name of the image, beside which the cache is; empty if none is known. `ref` is the branch or tag as git
    names it, and `other_refs` are those whose results may be used too. `attributes` are what is built. `source` is the URL of
    the project. `read_only` says why nothing may be written, in a clause; empty if something may.
    """

    cache: NixCache
    key: SecretKey | None = None
    image: str = ""
    ref: str = ""
    other_refs: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    source: str = ""
    read_only: str = ""


@dataclass(frozen=True, slots=True)
class CacheInputs:
    """The values of the inputs with the same names. The token and the signing key are secrets.

    `flakes` hold what is built, as references relative to `cwd`.
    """

    cachix: str = ""
    cachix_auth_token: str = field(default="", repr=False)
    cachix_signing_key: str = field(default="", repr=False)
    substituters: tuple[str, ...] = ()
    trusted_public_keys: tuple[str, ...] = ()
    kept: KeptResults | None = None
    flakes: tuple[str, ...] = ()
    cwd: str = ""


@dataclass(frozen=True, slots=True)
class CacheTools:
    """What every cache may use. `folder` belongs to this run alone, and outlives the build.

    `client` gives a client for a repository of a registry, with the credentials that the run has for it. `transport` asks
    other caches on Nix's behalf. `known` gives the values of `settings`, if the caller has asked Nix for them, and
    `flake_metadata` what Nix says of a flake of the inputs, if the caller asks for that too; it raises an Error where Nix fails.
    """

    nix: Nix
    emit: Emit
    fetch: FetchDocument
    folder: Path
    client: OpenClient
    transport: Transport
    known: Callable[[], Mapping[str, Any]] | None = None
    flake_metadata: Callable[[str], Mapping[str, Any]] | None = None

    def settings(self) -> Mapping[str, Any]:
        """Return the value of every setting of Nix by its name."""
        return self.known() if self.known else settings(self.nix)


@dataclass(frozen=True, slots=True)
class OwnNars:
    """A cache of ours that Nix is served from. Without `signed` Nix takes from it what has no signature, if it trusts the user.

    `has_paths` tells whether there is anything in it, and may wait until that is known.
    """

    cache: NarCache
    signed: bool
    has_paths: Callable[[], bool] = lambda: True


class Ended(Protocol):
    """A function that is told that nothing is built any more."""

    def __call__(self, *, cancelled: bool) -> None:
        """`cancelled` says that a signal ended the run."""
        ...


@dataclass(frozen=True, slots=True)
class CachePart:
    """What one cache adds to a build.

    `substituters` are URLs and `public_keys` are `NAME:BASE64`, as in nix.conf; `netrc` holds whole lines of that file.
    `own` is served to Nix while the build runs; `unread` is called where it can't be.
    `built` is called with the result of each build, `all_built` when no further one is known of, `heard` with each event of
    a build, and `ended` when nothing is built any more, before the first cache is closed: it returns at once.
    """

    substituters: tuple[str, ...] = ()
    public_keys: tuple[str, ...] = ()
    netrc: str = field(default="", repr=False)
    own: OwnNars | None = None
    unread: Callable[[], None] | None = None
    built: Callable[[BuildOutput], None] | None = None
    all_built: Callable[[], None] | None = None
    heard: Emit | None = None
    ended: Ended | None = None


class Cache(Protocol):
    """A module for one kind of cache."""

    def opened(self, inputs: CacheInputs, tools: CacheTools, /) -> AbstractContextManager[CachePart]:
        """Make the cache ready for a build; the CachePart is empty if the inputs do not name a cache of this kind.

        The block is entered before the build and left after everything is built, or when the run fails. A cache must
        not fail the run: what goes wrong on entering or on leaving is a warning. Only a malformed input raises
        UsageError, on entering.
        """
        ...


@dataclass(frozen=True, slots=True)
class CachePlan:
    """The parts of all caches. `applied` gives the Nix that uses them.

    Whoever builds calls each of `built` with the result, and each of `all_built` when the last one is done. `substitutes` gives what Nix would take from its caches to a reader
    of ours; None where Nix asks them in a way that we don't know.
    """

    options: tuple[tuple[str, str], ...] = ()
    substituters: Substituters = field(default_factory=Substituters)
    built: tuple[Callable[[BuildOutput], None], ...] = ()
    all_built: tuple[Callable[[], None], ...] = ()
    heard: tuple[Emit, ...] = ()
    substitutes: Callable[[], Substitutes] | None = None

    def telling(self, emit: Emit) -> Emit:
        """Return an `Emit` for the events of a build, which the caches hear too."""

        def told(event: Event) -> None:
            for heard in self.heard:
                heard(event)
            emit(event)

        return told if self.heard else emit

    def applied(self, nix: Nix) -> Nix:
        """Return the same nix with the caches, and the settings for them."""
        return nix.with_options(self.options).with_substituters(self.substituters)
