"""The subject of a run: an installable that Nix builds, or a `source` that exists already."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flakeship import events
from flakeship.commands.run import Run
from flakeship.commands.source_place import check_source
from flakeship.errors import UsageError
from flakeship.outside.mounted import MOUNT_ALL, in_container
from flakeship.registry.reference import TRANSPORT, Reference
from flakeship.settings.declaration import Settings
from flakeship.sources.written import WrittenSource, written_source
from flakeship.store_paths import whole_store_path

if TYPE_CHECKING:  # what speaks to Nix is imported where there is something to build
    from flakeship.commands.building.buildable import Buildable
    from flakeship.commands.building.by_platform import Member
    from flakeship.nix.installable import Installable

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
    if settings.store:
        from flakeship.commands.building.far_store import read_store

        read_store(settings)
    if settings.source:
        return Subject(source=_source(settings, run))
    from flakeship.commands.building.buildable import Buildable

    if not settings.file and _may_be_by_platform(settings):
        from flakeship.commands.building.by_platform import members_of

        members = members_of(settings, run.builder, lambda text: flake_installable(text, run, run.emit))
        if members:
            return Subject(members[0].buildable, members=members)
    return Subject(Buildable(run.builder, _installable(settings, run)))


def _may_be_by_platform(settings: Settings) -> bool:
    """Whether more than one attribute as it is may be meant. Most runs ask for no platform, and import nothing for it."""
    on_a_mac = sys.platform == "darwin" or any("darwin" in line for line in settings.nix_config)
    return bool(settings.platforms) or any("=" in line for line in settings.flake) or on_a_mac


def _installable(settings: Settings, run: Run) -> Installable:
    from flakeship.nix.installable import Installable

    if not settings.file:
        return flake_installable(settings.installable, run, run.emit)
    cwd = str(run.runtime.cwd)
    return Installable.of_file(settings.file, settings.attr, search_path=settings.nix_path, cwd=cwd)


def flake_installable(text: str, run: Run, emit: events.Emit) -> Installable:
    """Read an installable of the input `flake`. UsageError where it is malformed, or there is no flake."""
    from flakeship.nix.installable import Installable, NoFlakeError

    cwd = run.runtime.cwd
    _check_no_image(text, cwd)
    try:
        found = Installable.parse(text, cwd=str(cwd))
    except NoFlakeError as error:
        if in_container(run.runtime.environ) and not run.runtime.environ.get("CI"):
            error.hint = f"{MOUNT_ALL}; or {error.hint}"
        raise
    if where := _elsewhere(found, cwd):
        emit(events.Notice(where))
    return found


# docs/decisions.md#a-file-is-no-flake
def _check_no_image(installable: str, cwd: Path) -> None:
    """UsageError for what is there already: a file, a store path, or a folder that holds an image and no flake.nix.

    Without this, Nix would look for a flake above such a folder, and in its registry for a name without a slash.
    """
    path = cwd / installable
    if "#" in installable or "\0" in installable or _exists(path / "flake.nix"):
        return
    hint = f"set `source: {installable}` to publish what is there already"
    if whole_store_path(path):
        raise UsageError(f"flake: {installable!r} leads to a store path, which is built already", hint=hint)
    if not _exists(path):
        return
    if path.name == "flake.nix":
        raise UsageError(
            f"flake: {installable!r} is a file, and a flake is a folder",
            hint=f"write its folder: `{installable.removesuffix(path.name) or '.'}`",
        )
    if path.is_file():
        raise UsageError(f"flake: {installable!r} is a file, and a flake is a folder", hint=hint)
    if path.is_dir() and (what := _image_in(path)):
        if what == _UNPACKED:
            hint = f"write it to a pipe as an archive: `tar -C {installable} -c . | flakeship publish - REFERENCE`"
        raise UsageError(f"flake: {installable!r} holds no flake.nix, but {what}", hint=hint)


_UNPACKED: Final = "an archive of docker, unpacked (manifest.json)"
_MOST_BYTES: Final = 1 << 20


def _image_in(folder: Path) -> str:
    """Say what kind of image a folder is; empty for any other folder."""
    for name in ("oci-layout", "index.json"):
        if (folder / name).is_file():
            return f"an OCI image layout ({name})"
    try:
        with (folder / "manifest.json").open("rb") as file:
            text = file.read(_MOST_BYTES)
    except OSError:
        return ""
    if b'"Config"' in text and b'"Layers"' in text:
        return _UNPACKED
    return "an image as `skopeo copy … dir:` writes it (manifest.json)" if b'"schemaVersion"' in text else ""


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return False


def _elsewhere(found: Installable, cwd: Path) -> str:
    """Say which flake Nix takes for a folder without a flake.nix of its own; empty if it is the flake of the folder itself."""
    path, _, query = found.flake.partition("?")
    if found.directory is None or query or not path.startswith((".", "/")):
        return ""
    if (cwd / path).resolve() == found.directory:
        return ""
    return f"there is no flake.nix in {path}: Nix takes the flake above it, in {found.directory}"


def _source(settings: Settings, run: Run) -> WrittenSource:
    source = written_source(settings.source, run.runtime.cwd)
    if source.place == "path" and not source.form and not _exists(run.runtime.cwd / source.name):
        _check_no_reference(source.name)
    check_source(source, run.runtime)
    wanted = settings.image_in_archive
    if source.image and wanted and source.image != wanted:
        raise UsageError(
            f"source names the image {source.image!r} of an archive, and image-in-archive is {wanted!r}",
            hint="leave one of them out",
        )
    return source


def _check_no_reference(text: str) -> None:
    """UsageError for the name of an image in a registry: what follows `source` without a scheme is a path."""
    try:
        reference = Reference.parse(text)
    except UsageError:
        return
    if reference.digest or reference.tag:
        raise UsageError(
            f"source: there is no file {text!r}",
            hint=f"write `source: {TRANSPORT}{text}` for an image in a registry",
        )


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
