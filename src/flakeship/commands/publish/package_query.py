"""Ask Nix about a result that is a plain package: what it needs, what it is called, what is to lie beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from flakeship import events
from flakeship.commands.building.builder import Builder
from flakeship.commands.nix_facts import names_of, pname_in
from flakeship.commands.publish.contents import contents_of
from flakeship.commands.publish.parts import Obtained
from flakeship.commands.publish.request import SourceChoice
from flakeship.errors import BuildError
from flakeship.nix.build import current_system, system_of
from flakeship.nix.closure import PathInfo
from flakeship.nix.command import Nix
from flakeship.sources.package import Names, Package
from flakeship.sources.store_files import LOCAL
from flakeship.store_paths import hash_of, whole_store_path


def package_of(
    obtained: Obtained,
    choice: SourceChoice,
    *,
    builder: Builder,
    folder: Path,
    cwd: Path,
    previous: tuple[frozenset[str], ...] = (),
) -> Package:
    """Build the contents, and ask for the closure of all. BuildError and ResourceError as a build.

    While `folder`, which is private, lasts, the garbage collector takes nothing of the package.
    """
    nix = builder.configured if obtained.output else builder.nix
    place = obtained.place
    path = (
        place.files.whole_store_path(str(obtained.path))
        if place
        else whole_store_path(obtained.path) or str(obtained.path.resolve())
    )
    others = obtained.output.paths[1:] if obtained.output else ()
    own = {each.path: each for root in (path, *others) for each in builder.closure(nix, root)}
    system = _system(nix, obtained, own[path])
    build_contents = partial(
        contents_of,
        system=system,
        buildable=obtained.buildable,
        flake=obtained.flake,
        builder=builder,
        nix=nix,
        cwd=cwd,
    )
    contents = build_contents(choice.contents)
    build_contents(choice.debug_shell, name="debug-shell")  # for the variant, before this image is sent
    roots = (path, *others, *contents)
    place = builder.place_of(*roots) if obtained.output else None
    paths = own | {each.path: each for root in contents for each in builder.closure(nix, root)}
    if place:
        paths = {each.path: each for root in roots for each in place.closure(root)}
    if kept := place.here(roots) if place else roots:
        _keep_alive(nix, kept, folder)
    return Package(
        path=path,
        others=others,
        system=system,
        closure=tuple(paths.values()),
        contents=contents,
        names=partial(_names, obtained),
        warn=lambda message, hint: builder.emit(events.Warned(message, hint)),
        base=choice.base,
        user=choice.user,
        max_layers=choice.max_layers,
        wants_program=choice.wants_program,
        previous=previous,
        files=place.files if place else LOCAL,
    )


def _keep_alive(nix: Nix, paths: Sequence[str], folder: Path) -> None:
    """Register `paths` as roots of the garbage collector. Best effort: reading notices what vanishes."""
    # docs/decisions.md#a-closure-is-held-while-it-is-read
    nix.run("build", "--out-link", str(folder / f"held-{hash_of(paths[0])}"), "--", *paths)


def _system(nix: Nix, obtained: Obtained, path: PathInfo) -> str:
    """The system that the path was built for; for one whose derivation is gone, the system of this Nix."""
    if obtained.system:
        return obtained.system
    if obtained.output and "-" in obtained.output.system:
        return obtained.output.system
    try:
        if path.deriver and Path(path.deriver).exists() and "-" in (system := system_of(nix, path.deriver)):
            return system
    except BuildError:
        pass
    return current_system(nix)


def _names(obtained: Obtained) -> Names:
    if obtained.output is None or obtained.buildable is None:
        return Names(pname=pname_in(obtained.path.resolve().name))
    return names_of(obtained.buildable.description(), obtained.output.out_path)
