"""The interface of a cache: the inputs and tools that it is given, and what it adds to the build."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from flakeship.events import Emit
from flakeship.nix.build import BuildOutput
from flakeship.nix.command import Nix
from flakeship.nix.substituters import Substituters

if TYPE_CHECKING:  # most caches are in no registry
    from flakeship.caches.nar_entry import NarCache
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


@dataclass(frozen=True, slots=True)
class CacheInputs:
    """The values of the inputs with the same names. The token and the signing key are secrets."""

    cachix: str = ""
    cachix_auth_token: str = field(default="", repr=False)
    cachix_signing_key: str = field(default="", repr=False)
    substituters: tuple[str, ...] = ()
    trusted_public_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CacheTools:
    """What every cache may use. `folder` belongs to this run alone, and outlives the build.

    `client` gives a client for a repository of a registry, with the credentials that the run has for it. `transport` asks
    other caches on Nix's behalf.
    """

    nix: Nix
    emit: Emit
    fetch: FetchDocument
    folder: Path
    client: Callable[[Reference], RegistryClient]
    transport: Transport


@dataclass(frozen=True, slots=True)
class OwnNars:
    """A cache of ours that Nix is served from. Without `signed` Nix takes from it what has no signature, if it trusts the user."""

    cache: NarCache
    signed: bool


@dataclass(frozen=True, slots=True)
class CachePart:
    """What one cache adds to a build.

    `substituters` are URLs and `public_keys` are `NAME:BASE64`, as in nix.conf; `netrc` holds whole lines of that file.
    `own` is served to Nix while the build runs.
    `watch` are words that stand before `nix build`, and only that command sees the variables in `environ`. `built` is
    called with the result of each build, before the cache is closed.
    """

    substituters: tuple[str, ...] = ()
    public_keys: tuple[str, ...] = ()
    netrc: str = field(default="", repr=False)
    own: OwnNars | None = None
    watch: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    built: Callable[[BuildOutput], None] | None = None


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

    `build` takes `watch` under the same name and `environ` as `extra_environ`; whoever builds calls each of `built` with
    the result.
    """

    options: tuple[tuple[str, str], ...] = ()
    substituters: Substituters = field(default_factory=Substituters)
    watch: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    built: tuple[Callable[[BuildOutput], None], ...] = ()

    def applied(self, nix: Nix) -> Nix:
        """Return the same nix with the caches, and the settings for them."""
        return nix.with_options(self.options).with_substituters(self.substituters)
