"""The result to publish: built by Nix under its caches, or given ready as `source`."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from flakeship import caches, events
from flakeship.errors import BuildError, UsageError
from flakeship.http.fetch import Fetcher
from flakeship.http.session import Transport
from flakeship.nix.build import BuildOutput, build
from flakeship.nix.command import Nix
from flakeship.nix.configuration import sandbox_state
from flakeship.nix.derivation import Derivation, describe
from flakeship.nix.flake import FlakeMetadata, source_of
from flakeship.nix.installable import Installable
from flakeship.nix.reproduce import check_reproducible
from flakeship.remote import SCHEME, remote_of
from flakeship.settings import Settings
from flakeship.sources.blobs import Remote
from flakeship.world import World

_DESTINATIONS: Final = frozenset({"oci", "docker-archive", "oci-archive"})
_UNSAID: Final = ((), (".",))
"""`flake` where nobody gave it."""


@dataclass(frozen=True, slots=True)
class Obtained:
    """`output`, `flake` and `nix`, with the caches that it built under, are None for a `source` that was given ready."""

    path: Path
    output: BuildOutput | None = None
    flake: FlakeMetadata | None = None
    nix: Nix | None = None
    remote: Remote | None = None
    """Of a `source` in a registry; then `path` is none that could be opened."""
    base: Remote | None = None
    """What a package is put on."""
    described: Callable[[], Derivation] | None = None
    """As of the Builder."""
    build: Callable[[Installable], BuildOutput] | None = field(default=None, repr=False)
    """Builds something else the same way: under the same caches, and into them."""

    @property
    def name(self) -> str:
        """How messages call it."""
        return self.remote.blobs.what if self.remote else str(self.path)

    @property
    def commit_time(self) -> datetime | None:
        """Of the flake's source."""
        if self.flake is None or self.flake.last_modified is None:
            return None
        return datetime.fromtimestamp(self.flake.last_modified, UTC)


@dataclass(frozen=True, slots=True)
class Builder:
    """A Nix that was found, and what it is to build; `folder` is private and outlives the build."""

    nix: Nix
    installable: Installable
    folder: Path
    described: Callable[[], Derivation]
    """What the package says of itself; evaluated once, whoever asks first."""


def builder_of(settings: Settings, world: World, folder: Path) -> Builder | None:
    """Check what the build needs; None where `source` makes it needless. BuildError where there is no Nix."""
    _check_alone(settings)
    if settings.source:
        return None
    nix, installable = nix_of(settings, world, folder), installable_of(settings, world)
    return Builder(nix, installable, folder, _once(functools.partial(describe, nix, installable)))


def _once(ask: Callable[[], Derivation]) -> Callable[[], Derivation]:
    """For threads too: the second to ask waits for the answer to the first."""
    lock, answered = threading.Lock(), functools.cache(ask)

    def asked() -> Derivation:
        with lock:
            return answered()

    return asked


def installable_of(settings: Settings, world: World) -> Installable:
    """What `flake`, or `file` and `attr`, name."""
    if not settings.file:
        return Installable.parse(settings.installable, cwd=str(world.cwd))
    return Installable.of_file(
        settings.file, settings.attr, search_path=settings.nix_path, cwd=str(world.cwd)
    )


def _check_alone(settings: Settings) -> None:
    """UsageError for inputs that contradict each other about what is to be published."""
    if settings.source and settings.flake not in _UNSAID:
        raise UsageError(
            "flake and source are both given, and there is one image to publish",
            hint="leave one of them out: `source` is taken as it is, and nothing is built",
        )
    if settings.source and settings.verify == "rebuild":
        raise UsageError(
            "verify is `rebuild`, but a `source` is not built, and can't be built again",
            hint="give the flake that it came from, or set `verify: digests`",
        )
    scheme, _, rest = settings.source.partition(":")
    if scheme in _DESTINATIONS and not Path(settings.source).exists():
        raise UsageError(
            f"source: {settings.source!r} is written as a destination is",
            hint=f"write the path alone, here {rest.partition(':')[0]}, and which of several images in `image-in-archive`",
        )
    if not settings.file:
        for name, value in (("attr", settings.attr), ("nix-path", settings.nix_path)):
            if value:
                raise UsageError(
                    f"{name} is for a file of Nix, and `file` is not given",
                    hint="give `file: default.nix`; of a flake write `flake: .#ATTRIBUTE`",
                )
    elif settings.source or settings.installable != ".":
        other = "source" if settings.source else "flake"
        raise UsageError(
            f"file and {other} are both given, and there is one image to publish",
            hint="leave one of them out",
        )


def nix_of(settings: Settings, world: World, folder: Path) -> Nix:
    """The Nix of this machine, set up as the inputs say; `folder` is its home where there is no other."""
    return Nix.find(
        environ=world.environ,
        emit=world.emit,
        config=settings.nix_config,
        impure=settings.impure,
        allow_unfree=settings.allow_unfree,
        accept_flake_config=settings.accept_flake_config,
        require_sandbox=settings.sandbox == "required",
        spare_home=str(folder),
    )


def obtain(builder: Builder | None, settings: Settings, world: World, session: Transport) -> Obtained:
    """Build `flake` under its caches, or take `source` as it is."""
    if settings.source.startswith(SCHEME):
        return Obtained(Path(settings.source), remote=remote_of(settings.source, settings, world, session))
    base = _base(settings, world, session)
    if builder is None:
        return Obtained(world.cwd / settings.source, base=base)
    installable = builder.installable
    with world.stage("build", f"building {installable}"):
        nix = _sandboxed(builder.nix, settings, world)
        plan = caches.prepare(
            caches.CacheInputs(
                cachix=settings.cachix,
                cachix_auth_token=settings.cachix_auth_token,
                cachix_signing_key=settings.cachix_signing_key,
                substituters=settings.substituters,
                trusted_public_keys=settings.trusted_public_keys,
            ),
            nix=nix,
            emit=world.emit,
            fetch=Fetcher(session),
            folder=builder.folder,
        )
        cached = nix.with_options(plan.options)
        building = functools.partial(
            build, cached, emit=world.emit, watch=plan.watch, extra_environ=plan.environ
        )
        output = building(installable)
        flake = source_of(nix, installable)
    if settings.verify == "rebuild":
        with world.stage("rebuild", f"building {installable} a second time, to compare"):
            check_reproducible(cached, installable, output, emit=world.emit)
    return Obtained(
        Path(output.out_path),
        output,
        flake,
        cached,
        base=base,
        described=builder.described,
        build=building,
    )


def _base(settings: Settings, world: World, session: Transport) -> Remote | None:
    """Asked for before the build, which may take an hour."""
    if settings.base_image and not settings.base_image.startswith(SCHEME):
        raise UsageError(
            f"base-image: {settings.base_image!r} is no image of a registry",
            hint=f"write {SCHEME}{settings.base_image.rpartition('://')[2]}",
        )
    return remote_of(settings.base_image, settings, world, session) if settings.base_image else None


def _sandboxed(nix: Nix, settings: Settings, world: World) -> Nix:
    """Say once whether builds are isolated. Nix 2.8 as root tries to where it can't, and fails: it is told not to."""
    state = sandbox_state(nix)
    if settings.sandbox == "required" and not state.holds:
        raise BuildError(
            f"the sandbox is required, but {state}",
            hint="run where Nix may make namespaces, or leave the input `sandbox` at `auto`",
        )
    world.emit(events.Notice(str(state)))
    return nix.with_options([("sandbox", "false")]) if state.possible is False and state.fallback else nix
