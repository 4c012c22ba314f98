"""The subject of a run: an installable that Nix builds, or a `source` that exists already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flakeship.commands.run import Run
from flakeship.destinations.grammar import kind_of
from flakeship.errors import UsageError
from flakeship.settings.declaration import Settings

if TYPE_CHECKING:  # what speaks to Nix is imported where there is something to build
    from flakeship.commands.builder import Buildable
    from flakeship.nix.installable import Installable

_NO_FLAKE: Final = ((), (".",))
"""The values of `flake` where no user gave one."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Either `buildable` or `source` is given. `source` is as the user wrote it: a path, or `docker://REFERENCE`."""

    buildable: Buildable | None = None
    source: str = ""


def subject_of(settings: Settings, run: Run) -> Subject:
    """Read the inputs that say what to publish.

    UsageError for inputs that contradict each other; BuildError where there is something to build and no Nix.
    """
    _check_alone(settings)
    if settings.source:
        return Subject(source=settings.source)
    from flakeship.commands.builder import Buildable

    return Subject(Buildable(run.builder, _installable(settings, run.runtime.cwd)))


def _installable(settings: Settings, cwd: Path) -> Installable:
    from flakeship.nix.installable import Installable

    if not settings.file:
        return Installable.parse(settings.installable, cwd=str(cwd))
    return Installable.of_file(settings.file, settings.attr, search_path=settings.nix_path, cwd=str(cwd))


def _check_alone(settings: Settings) -> None:
    if settings.source and settings.flake not in _NO_FLAKE:
        raise UsageError(
            "`flake` and `source` are both given, but only one of them can be published",
            hint="leave one of them out: `flake` is built, `source` is taken as it is",
        )
    if settings.source and settings.rebuild == "compare":
        raise UsageError(
            "`rebuild` is `compare`, but a `source` is not built, so no second build can be compared with it",
            hint="set `flake` to what the source was built from, or leave `rebuild` out",
        )
    _, colon, rest = settings.source.partition(":")
    kind = kind_of(settings.source) if colon else None
    if kind and kind.MEDIUM == "path" and not Path(settings.source).exists():
        raise UsageError(
            f"source: {settings.source!r} is written as destinations are",
            hint=f"write the path alone, here {rest.partition(':')[0]}, and choose among several images by `image-in-archive`",
        )
    if not settings.file:
        for name, value in (("attr", settings.attr), ("nix-path", settings.nix_path)):
            if value:
                raise UsageError(
                    f"`{name}` is for a file of Nix, but `file` is not given",
                    hint="set `file: default.nix`, or for an attribute of a flake `flake: .#ATTRIBUTE`",
                )
    elif settings.source or settings.installable != ".":
        other = "source" if settings.source else "flake"
        raise UsageError(
            f"`file` and `{other}` are both given, but only one of them can be published",
            hint="leave one of them out",
        )
