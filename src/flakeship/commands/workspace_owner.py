"""Gives files that root wrote to the owner of the workspace: a container action runs as root, later steps do not."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from flakeship.errors import Error
from flakeship.settings.declaration import Settings


@contextlib.contextmanager
def workspace_owned(settings: Settings, cwd: Path, *more: Path) -> Iterator[None]:
    """When the context ends, give all that `settings` made this run write below `cwd`, and `more`, to the owner of `cwd`."""
    try:
        yield
    finally:
        give_to_owner(itertools.chain(_outputs(settings, cwd), more), cwd)


def give_to_owner(paths: Iterable[Path], cwd: Path) -> None:
    """Give files and folders below `cwd`, with all that is in them, to the owner of `cwd`, if root runs this for another user."""
    owner = cwd.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        for path in paths:
            _give(cwd / path, cwd, owner)


def _outputs(settings: Settings, cwd: Path) -> Iterator[Path]:
    from flakeship.commands.publish.attributes import attributes_of  # only root asks, and where it is a guest
    from flakeship.commands.publish.metadata_file import folder_beside, picture_files
    from flakeship.destinations.grammar import targets

    if settings.metadata_file:
        yield cwd / settings.metadata_file
        yield from picture_files(cwd / settings.metadata_file)
    if settings.output:
        yield cwd / settings.output
    if settings.provenance:
        yield from folder_beside(settings.metadata_file, cwd).glob("provenance*.json")
    if settings.push_by_digest:
        yield from folder_beside(settings.metadata_file, cwd).glob("flakeship-*.json")
    if settings.sbom:
        from flakeship.commands.publish.attaching.documents import PATTERNS

        for pattern in PATTERNS:
            yield from folder_beside(settings.metadata_file, cwd).glob(pattern)
    if settings.layer_cache not in {"", "off"}:
        yield cwd / settings.layer_cache
    if settings.bake_folder:
        yield from (cwd / settings.bake_folder).glob("docker-metadata-action-bake*.json")
    with contextlib.suppress(Error):  # reported already, and nothing was written
        for attribute in attributes_of(settings):
            for target in targets(to=attribute.settings.to, references=(), cwd=cwd):
                if target.output:
                    yield target.output


def _give(path: Path, cwd: Path, owner: os.stat_result) -> None:
    """Change the owner of `path`, of its contents, and of root's folders between it and `cwd`."""
    path = Path(os.path.normpath(path))
    if not path.is_relative_to(cwd) or os.path.realpath(path) != str(cwd.resolve() / path.relative_to(cwd)):
        return
    parts = [path, *(parent for parent in path.parents if parent.is_relative_to(cwd) and parent != cwd)]
    for folder, folders, files in os.walk(path):
        parts += [Path(folder, name) for name in (*folders, *files)]
    for part in parts:
        with contextlib.suppress(OSError):
            found = part.lstat()
            # A file with a second name may be one of the machine's.
            if found.st_uid == 0 and (stat.S_ISDIR(found.st_mode) or found.st_nlink == 1):
                os.chown(part, owner.st_uid, owner.st_gid, follow_symlinks=False)
