"""Nix is asked what it knows of the store paths of an image, and their files what they carry. Each tier may be missing; then
the SBOM has less.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from flakeship import events
from flakeship.commands.run import Run
from flakeship.errors import BuildError
from flakeship.printable import counted
from flakeship.sbom.carried.files import found_on_disk
from flakeship.sbom.carried.parts import Findings
from flakeship.sbom.components import Knowledge
from flakeship.sbom.model import Counts
from flakeship.store_paths import name_of_derivation

if TYPE_CHECKING:  # of an image that exists nothing is evaluated
    from collections.abc import Mapping

    from flakeship.commands.building.buildable import Buildable
    from flakeship.nix.closure import PathInfo
    from flakeship.nix.command import Nix
    from flakeship.nix.package_meta import PackageMeta

_SHOWN: Final = 5


def knowledge_of(
    paths: Sequence[str],
    buildables: Sequence[Buildable],
    run_: Run,
    *,
    closure: Sequence[PathInfo] = (),
    passed: Findings | None = None,
    meta: Mapping[str, PackageMeta] | None = None,
) -> Knowledge:
    """Ask for paths, then for derivations, then for what packages say of themselves, which only an evaluation can tell.

    `closure` is what Nix told of the paths already, `meta` what packages said of themselves if they were asked
    before, `passed` what was seen in the layers of the image. Where there is no Nix, or it fails, the image is listed
    by its paths alone, and by what their files carry.
    """
    carried = Findings()
    carried.add(passed or Findings())
    carried.add(found_on_disk(path for path in paths if path not in carried.read))
    try:
        found = meta_of(buildables, run_) if meta is None else meta
        known = _told_by_nix(frozenset(paths), found, run_, closure)
    except BuildError as error:  # an SBOM of names is better than no SBOM
        run_.emit(
            events.Notice(f"Nix tells nothing of the store paths, so they are listed alone: {error.message}")
        )
        known = Knowledge()
    return replace(known, carried=carried)


def is_here(path: str) -> bool:
    """Whether a store path can be read where it lies on this machine."""
    return os.path.lexists(path)


def meta_of(buildables: Sequence[Buildable], run_: Run) -> Mapping[str, PackageMeta]:
    """Return what packages say of themselves, by store path: each attribute is evaluated. BuildError without Nix."""
    meta: dict[str, PackageMeta] = {}
    for each in buildables:
        meta |= _meta(run_.builder.nix, each, run_.emit)
    return meta


def _told_by_nix(
    paths: frozenset[str], meta: Mapping[str, PackageMeta], run_: Run, closure: Sequence[PathInfo]
) -> Knowledge:
    from flakeship.nix.closure import known_paths
    from flakeship.nix.derivation_files import derivation_files

    nix = run_.builder.nix
    known = {info.path: info for info in closure if info.path in paths}
    known |= {info.path: info for info in known_paths(nix, paths - known.keys())}
    if unknown := len(paths - known.keys()):
        run_.emit(
            events.Notice(
                f"{counted(unknown, 'store path')} of the image {'is' if unknown == 1 else 'are'} not in the store of this machine, and listed alone"
            )
        )
    derivers = {info.deriver for info in known.values()} | {
        meta[path].derivation for path in paths if path in meta
    }
    derivations = derivation_files(nix, derivers)
    fetchers = {path for each in derivations.values() for path in each.fetchers}
    derivations |= derivation_files(nix, fetchers - derivations.keys())
    return Knowledge(known, derivations, meta)


def tell(counts: Counts, components: int, emit: events.Emit) -> None:
    """Say how much is known, and warn where names are guessed from paths."""
    carried = (f"; their programs carry {counted(counts.carried, 'package')}" if counts.carried else "") + (
        f"; {counted(counts.unreadable, 'file')} can't be read" if counts.unreadable else ""
    )
    emit(
        events.Notice(
            f"SBOM: {counted(counts.paths, 'store path')} in {counted(components - counts.carried, 'component')}: Nix knows {counts.known} of the "
            f"paths, the derivations of {counts.with_derivation}, and what {counts.with_meta} say of themselves; the files of "
            f"{counts.read} were looked at{carried}"
        )
    )
    if not counts.with_derivation:
        emit(
            events.Warned(
                f"the derivation of no store path is known: names and versions are read from {counted(counts.paths, 'path')}, and "
                "sources and patches are missing",
                "run this where the image was evaluated: Nix keeps derivations there until `nix store gc`",
            )
        )


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
