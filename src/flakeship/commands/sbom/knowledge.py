"""Nix is asked what it knows of the store paths of an image, tier by tier. Each tier may be missing; then the SBOM has less."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flakeship import events
from flakeship.commands.run import Run
from flakeship.commands.sbom.holding import Holding
from flakeship.errors import BuildError
from flakeship.printable import counted
from flakeship.sbom.components import Knowledge
from flakeship.store_paths import name_of_derivation

if TYPE_CHECKING:  # of an image that exists nothing is evaluated
    from collections.abc import Mapping

    from flakeship.commands.buildable import Buildable
    from flakeship.nix.command import Nix
    from flakeship.nix.package_meta import PackageMeta

_SHOWN: Final = 5


def knowledge_of(holding: Holding, buildable: Buildable | None, run_: Run) -> Knowledge:
    """Ask for paths, then for derivations, then for what packages say of themselves, which only an evaluation can tell.

    Where there is no Nix, or it fails, the image is listed by its paths alone.
    """
    from flakeship.nix.closure import known_paths
    from flakeship.nix.derivation_files import derivation_files

    try:
        nix = run_.builder.nix
        infos = holding.closure or known_paths(nix, holding.paths)
    except BuildError as error:  # an SBOM of names is better than no SBOM
        run_.emit(
            events.Notice(f"Nix tells nothing of the store paths, so they are listed alone: {error.message}")
        )
        return Knowledge()
    meta = _meta(nix, buildable, run_.emit) if buildable else {}
    paths = {info.path: info for info in infos}
    unknown = len(set(holding.paths) - paths.keys())
    if unknown:
        run_.emit(
            events.Notice(
                f"{counted(unknown, 'store path')} of the image {'is' if unknown == 1 else 'are'} not in the store of this machine, and listed alone"
            )
        )
    derivers = {info.deriver for info in infos} | {
        meta[path].derivation for path in holding.paths if path in meta
    }
    derivations = derivation_files(nix, derivers)
    fetchers = {path for each in derivations.values() for path in each.fetchers}
    derivations |= derivation_files(nix, fetchers - derivations.keys())
    return Knowledge(paths, derivations, meta)


def _meta(nix: Nix, buildable: Buildable, emit: events.Emit) -> Mapping[str, PackageMeta]:
    from flakeship.nix.package_meta import package_meta

    found = package_meta(nix, buildable.installable)
    if found.left_out:
        names = [name_of_derivation(path) for path in found.left_out]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        emit(
            events.Warned(
                f"Nix can't evaluate what {counted(len(names), 'package')} {'says' if len(names) == 1 else 'say'} of "
                f"{'itself' if len(names) == 1 else 'themselves'}: {', '.join(names[:_SHOWN])}{more}",
                "correct `meta` of that package, or leave it: the SBOM goes without",
            )
        )
    if not found.whole:
        emit(
            events.Warned(
                f"the evaluation of what packages say of themselves was cut short, after {counted(len(found.by_path), 'path')}",
                "run the command again with `--log-level debug`, and the command that it shows by hand",
            )
        )
    return found.by_path
