"""The subject of a run: an installable that Nix builds, or a `source` that exists already."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flakeship.commands.run import Run
from flakeship.commands.source_place import check_source
from flakeship.errors import UsageError
from flakeship.settings.declaration import Settings
from flakeship.sources.written import WrittenSource, written_source

if TYPE_CHECKING:  # what speaks to Nix is imported where there is something to build
    from flakeship.commands.builder import Buildable
    from flakeship.commands.by_platform import Member
    from flakeship.nix.installable import Installable

_STORE: Final = "/nix/store"
_NO_FLAKE: Final = ((), (".",))
"""The values of `flake` where no user gave one."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Either `buildable` or `source` is given.

    `members` are what is built for each platform, in the order of an index; then `buildable` is that of the first. They are
    empty where one attribute is built as it is.
    """

    buildable: Buildable | None = None
    source: WrittenSource | None = None
    members: tuple[Member, ...] = ()

    @property
    def buildables(self) -> tuple[Buildable, ...]:
        """All that may be built: one for each platform, or the one."""
        single = (self.buildable,) if self.buildable else ()
        return tuple(member.buildable for member in self.members) or single


def subject_of(settings: Settings, run: Run) -> Subject:
    """Read the inputs that say what to publish.

    UsageError for inputs that contradict each other; BuildError where there is something to build and no Nix.
    """
    _check_alone(settings)
    if settings.source:
        return Subject(source=_source(settings, run))
    from flakeship.commands.builder import Buildable

    cwd = run.runtime.cwd
    if not settings.file and _may_be_by_platform(settings):
        from flakeship.commands.by_platform import members_of

        members = members_of(settings, run.builder, lambda text: _of_flake(text, cwd))
        if members:
            return Subject(members[0].buildable, members=members)
    return Subject(Buildable(run.builder, _installable(settings, cwd)))


def _may_be_by_platform(settings: Settings) -> bool:
    """Whether more than one attribute as it is may be meant. Most runs ask for no platform, and import nothing for it."""
    return bool(settings.platforms) or any("=" in line for line in settings.flake) or sys.platform == "darwin"


def _installable(settings: Settings, cwd: Path) -> Installable:
    from flakeship.nix.installable import Installable

    if not settings.file:
        return _of_flake(settings.installable, cwd)
    return Installable.of_file(settings.file, settings.attr, search_path=settings.nix_path, cwd=str(cwd))


def _of_flake(text: str, cwd: Path) -> Installable:
    from flakeship.nix.installable import Installable

    _check_no_file(text, cwd)
    return Installable.parse(text, cwd=str(cwd))


def _check_no_file(installable: str, cwd: Path) -> None:
    """UsageError for a file that is no flake and no result of Nix, which is followed into the store."""
    path = cwd / installable
    if "#" in installable or ":" in installable or not path.is_file():
        return
    if not path.resolve().is_relative_to(_STORE):
        raise UsageError(
            f"flake: {installable!r} is a file, and a flake is a folder",
            hint=f"write its folder: `{installable.removesuffix(path.name) or '.'}`"
            if path.name == "flake.nix"
            else f"write `--source {installable}` to publish an image that is there already",
        )


def _source(settings: Settings, run: Run) -> WrittenSource:
    source = written_source(settings.source, run.runtime.cwd)
    check_source(source, run.runtime)
    wanted = settings.image_in_archive
    if source.image and wanted and source.image != wanted:
        raise UsageError(
            f"source names the image {source.image!r} of an archive, and image-in-archive is {wanted!r}",
            hint="leave one of them out",
        )
    return source


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
