"""Asking Nix about a result that is a plain package: what it needs, what it is called, what is to lie beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final, cast

from flakeship.commands.publish.building import nix_of
from flakeship.commands.publish.obtain import Obtained
from flakeship.commands.runtime import Runtime
from flakeship.errors import BuildError, UsageError
from flakeship.nix.build import BuildOutput, build, system_of
from flakeship.nix.closure import PathInfo, closure
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from flakeship.settings.declaration import Settings
from flakeship.sources.package import Base, Names, Package

_STORE: Final = "/nix/store/"


def package_of(
    obtained: Obtained,
    settings: Settings,
    runtime: Runtime,
    folder: Path,
    *,
    previous: tuple[frozenset[str], ...] = (),
) -> Package:
    """Build the contents, and ask for the closure of all. BuildError and ResourceError as a build; `folder` is private."""
    nix = obtained.nix or nix_of(settings, runtime, folder)
    path = str(obtained.path.resolve())
    make = obtained.build or partial(build, nix, emit=runtime.emit)
    contents = tuple(dict.fromkeys(_built(make, text, runtime) for text in settings.contents))
    _hold(nix, (path, *contents), folder)
    paths = {each.path: each for root in (path, *contents) for each in closure(nix, root)}
    return Package(
        path=path,
        system=_system(nix, obtained, paths[path]),
        closure=tuple(paths.values()),
        contents=contents,
        names=partial(_names, obtained),
        base=cast("Base", settings.base),
        user=settings.user,
        max_layers=settings.max_layers or 1,
        wants_program=not settings.entrypoint,
        previous=previous,
    )


def _hold(nix: Nix, paths: Iterable[str], folder: Path) -> None:
    """Keep the garbage collector away while `folder` lasts. Best effort: reading notices what vanishes."""
    nix.run("build", "--out-link", str(folder / "held"), "--", *paths)


def _built(make: Callable[[Installable], BuildOutput], text: str, runtime: Runtime) -> str:
    if text.startswith(_STORE):
        return text.rstrip("/")
    try:
        installable = Installable.parse(text, cwd=str(runtime.cwd))
    except UsageError as error:
        raise UsageError(error.message.replace("flake:", "contents:", 1), hint=error.hint) from error
    return make(installable).out_path


def _system(nix: Nix, obtained: Obtained, path: PathInfo) -> str:
    """What it was built for; for a path whose derivation is gone, what this Nix builds for."""
    if obtained.output and "-" in obtained.output.system:
        return obtained.output.system
    try:
        if path.deriver and Path(path.deriver).exists() and "-" in (system := system_of(nix, path.deriver)):
            return system
    except BuildError:
        pass
    return str(nix.query("eval", "--impure", "--json", "--expr", "builtins.currentSystem"))


def _names(obtained: Obtained) -> Names:
    if obtained.output is None or obtained.described is None:
        return Names(pname=_pname(obtained.path.resolve().name))
    said = obtained.described()
    return Names(said.main_program, said.pname or _pname(Path(obtained.output.out_path).name))


def _pname(name: str) -> str:
    """Of `HASH-hello-2.12`, as builtins.parseDrvName has it: up to the first dash that no letter follows."""
    parts = name.split("-")[1:]
    end = next((n for n, part in enumerate(parts) if n and not part[:1].isalpha()), len(parts))
    return "-".join(parts[:end])
