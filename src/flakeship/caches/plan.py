"""What a cache asks for and what it gives: the inputs, the tools, and the part of the build's command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from flakeship.events import Emit
from flakeship.nix.command import Nix

PROBE_SECONDS: Final = 5.0


class Fetch(Protocol):
    """GET a URL within so many seconds, all told; `token` is sent as `Authorization: Bearer`. Raises what it likes."""

    def __call__(self, url: str, seconds: float, /, *, token: str = "") -> bytes: ...


@dataclass(frozen=True, slots=True)
class CacheInputs:
    """The inputs of that name. The token and the key are secrets."""

    cachix: str = ""
    cachix_auth_token: str = field(default="", repr=False)
    cachix_signing_key: str = field(default="", repr=False)
    substituters: tuple[str, ...] = ()
    trusted_public_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tools:
    """`folder` is private, and outlives the build."""

    nix: Nix
    emit: Emit
    fetch: Fetch
    folder: Path


@dataclass(frozen=True, slots=True)
class Part:
    """What one kind of cache adds to a build; `netrc` are lines of that file, `environ` is for `watch` alone."""

    substituters: tuple[str, ...] = ()
    public_keys: tuple[str, ...] = ()
    netrc: str = field(default="", repr=False)
    watch: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)


class Cache(Protocol):
    """A module for one kind of cache."""

    def part(self, inputs: CacheInputs, tools: Tools, /) -> Part:
        """What the inputs ask of this kind; an empty part if nothing. UsageError for a malformed input."""
        ...


@dataclass(frozen=True, slots=True)
class CachePlan:
    """For `nix.with_options(plan.options)` and `build(…, watch=plan.watch, extra_environ=plan.environ)`."""

    options: tuple[tuple[str, str], ...] = ()
    watch: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
