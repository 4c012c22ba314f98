"""The result to publish: built by Nix under its caches, or given ready as `source`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flakeship.nix.build import BuildOutput, build
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from flakeship.settings import Settings
from flakeship.world import World


@dataclass(frozen=True, slots=True)
class Obtained:
    """`output` is None for a `source` that was given ready."""

    path: Path
    output: BuildOutput | None = None


def obtain(settings: Settings, world: World, nix: Nix | None) -> Obtained:
    """Build `flake`, unless `source` names a result."""
    if nix is None:
        return Obtained(world.cwd / settings.source)
    installable = Installable.parse(settings.flake, cwd=str(world.cwd))
    with world.stage("build", f"building {installable}"):
        output = build(nix, installable, emit=world.emit)
    return Obtained(Path(output.out_path), output)


def find_nix(settings: Settings, world: World, spare_home: Path) -> Nix | None:
    """The Nix to build with; None where nothing is to be built."""
    if settings.source:
        return None
    return Nix.find(
        environ=world.environ,
        emit=world.emit,
        config=settings.nix_config,
        impure=settings.impure,
        allow_unfree=settings.allow_unfree,
        accept_flake_config=settings.accept_flake_config,
        spare_home=str(spare_home),
    )
