"""Ask Nix about a result that is a plain package: what it needs, what it is called, what is to lie beside it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Final

from flakeship.commands.builder import Builder
from flakeship.commands.publish.parts import Obtained
from flakeship.commands.publish.request import SourceChoice
from flakeship.errors import BuildError, UsageError
from flakeship.nix.build import system_of
from flakeship.nix.closure import PathInfo, closure
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from flakeship.sources.package import Names, Package

_STORE: Final = "/nix/store/"


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
    path = str(obtained.path.resolve())
    contents = tuple(dict.fromkeys(_built(builder, text, cwd) for text in choice.contents))
    _keep_alive(nix, (path, *contents), folder)
    paths = {each.path: each for root in (path, *contents) for each in closure(nix, root)}
    return Package(
        path=path,
        system=_system(nix, obtained, paths[path]),
        closure=tuple(paths.values()),
        contents=contents,
        names=partial(_names, obtained),
        base=choice.base,
        user=choice.user,
        max_layers=choice.max_layers,
        wants_program=choice.wants_program,
        previous=previous,
    )


def _keep_alive(nix: Nix, paths: Iterable[str], folder: Path) -> None:
    """Register `paths` as roots of the garbage collector. Best effort: reading notices what vanishes."""
    # docs/decisions.md#a-closure-is-held-while-it-is-read
    nix.run("build", "--out-link", str(folder / "held"), "--", *paths)


def _built(builder: Builder, text: str, cwd: Path) -> str:
    if text.startswith(_STORE):
        return text.rstrip("/")
    try:
        installable = Installable.parse(text, cwd=str(cwd))
    except UsageError as error:
        raise UsageError(error.message.replace("flake:", "contents:", 1), hint=error.hint) from error
    return builder.build(installable).out_path


def _system(nix: Nix, obtained: Obtained, path: PathInfo) -> str:
    """The system that the path was built for; for one whose derivation is gone, the system of this Nix."""
    if obtained.output and "-" in obtained.output.system:
        return obtained.output.system
    try:
        if path.deriver and Path(path.deriver).exists() and "-" in (system := system_of(nix, path.deriver)):
            return system
    except BuildError:
        pass
    return str(nix.query("eval", "--impure", "--json", "--expr", "builtins.currentSystem"))


def _names(obtained: Obtained) -> Names:
    if obtained.output is None or obtained.buildable is None:
        return Names(pname=_pname(obtained.path.resolve().name))
    derivation = obtained.buildable.description()
    return Names(derivation.main_program, derivation.pname or _pname(Path(obtained.output.out_path).name))


def _pname(name: str) -> str:
    """The pname in `HASH-hello-2.12`, as builtins.parseDrvName has it: up to the first dash that no letter follows."""
    parts = name.split("-")[1:]
    end = next((n for n, part in enumerate(parts) if n and not part[:1].isalpha()), len(parts))
    return "-".join(parts[:end])
