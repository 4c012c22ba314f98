"""The result to publish: built by Nix under its caches, or given ready as `source`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flakeship.commands.runtime import Runtime
from flakeship.destinations.grammar import kind_of
from flakeship.errors import UsageError
from flakeship.settings.declaration import Settings

if (
    TYPE_CHECKING
):  # what speaks to Nix, and reads registries, is imported where there is something to build or read
    from flakeship.http.transport import Transport
    from flakeship.nix.build import BuildOutput
    from flakeship.nix.command import Nix
    from flakeship.nix.derivation import Derivation
    from flakeship.nix.flake import FlakeMetadata
    from flakeship.nix.installable import Installable
    from flakeship.sources.blobs import Remote

SCHEME: Final = "docker://"
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


def builder_of(settings: Settings, runtime: Runtime, folder: Path) -> Builder | None:
    """Check what the build needs; None where `source` makes it needless. BuildError where there is no Nix."""
    _check_alone(settings)
    if settings.source:
        return None
    from flakeship.commands.publish.building import found_builder

    return found_builder(settings, runtime, folder)


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
    _, colon, rest = settings.source.partition(":")
    kind = kind_of(settings.source) if colon else None
    if kind and kind.MEDIUM == "path" and not Path(settings.source).exists():
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


def obtain(
    builder: Builder | None,
    settings: Settings,
    runtime: Runtime,
    session: Transport,
    scope: contextlib.ExitStack,
) -> Obtained:
    """Build `flake` under its caches, which stay open until `scope` is closed, or take `source` as it is."""
    if settings.source.startswith(SCHEME):
        return Obtained(Path(settings.source), remote=_remote(settings.source, settings, runtime, session))
    base = _base(settings, runtime, session)
    if builder is None:
        return Obtained(runtime.cwd / settings.source, base=base)
    from flakeship.commands.publish.building import built

    return built(builder, settings, runtime, session, scope, base=base)


def _base(settings: Settings, runtime: Runtime, session: Transport) -> Remote | None:
    """Asked for before the build, which may take an hour."""
    if settings.base_image and not settings.base_image.startswith(SCHEME):
        raise UsageError(
            f"base-image: {settings.base_image!r} is no image of a registry",
            hint=f"write {SCHEME}{settings.base_image.rpartition('://')[2]}",
        )
    return _remote(settings.base_image, settings, runtime, session) if settings.base_image else None


def _remote(name: str, settings: Settings, runtime: Runtime, session: Transport) -> Remote:
    from flakeship.commands.publish.registry_source import remote_of

    return remote_of(name, settings, runtime, session)
