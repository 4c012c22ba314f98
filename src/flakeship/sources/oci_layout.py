"""An OCI image layout, in a folder or in a tar: its index is read, and which image of it is meant.

https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flakeship import events
from flakeship.errors import NotAnImageError, ResourceError, UsageError
from flakeship.image.document import DOCUMENT_LIMIT, decode, decode_object
from flakeship.image.inflate import Inflated, is_compressed
from flakeship.image.layout import BLOBS, INDEX_FILE, LAYOUT_FILE, NAMES, blob_path
from flakeship.image.model import Descriptor, Digest
from flakeship.image.stream import CHUNK, Reader, read_full
from flakeship.image.tar.blocks import BLOCK, DamagedError
from flakeship.image.tar.reader import TarReader, is_tar
from flakeship.printable import counted
from flakeship.sources import git_lfs
from flakeship.sources.choice import SeveralImagesError
from flakeship.sources.layout_files import (
    DOCKER_MANIFEST,
    Files,
    FolderFiles,
    TarFiles,
    layouts_among,
    one_layout,
)
from flakeship.sources.opened import Opened, SourceRequest

if TYPE_CHECKING:  # what is in an index is for those that `matches`: every archive is asked
    from flakeship.sources.indexes import Artifact, ImageManifests

KIND: Final = "OCI image layout"

_LAYOUTS: Final = re.compile(rf"(^|/)({BLOBS}/|{LAYOUT_FILE}$|{INDEX_FILE}$)")
"""Names of members that tell a layout."""
_DOCKERS: Final = re.compile(r"\.(tar|json)$|(^|/)(VERSION|json|repositories)$|^sha256:")
"""Names of members that tell an archive of docker's, unless they are a layout's."""
_UNTOLD: Final = 50
"""Members that tell neither, until it is no layout."""
_VERSION: Final = "1."
_DAMAGED: Final = "write the layout anew with the tool that made it"


class _LayoutBlobs:
    here = True

    def __init__(self, files: Files, what: str) -> None:
        self._files, self.what = files, what

    def size(self, digest: Digest) -> int | None:
        return self._files.size(blob_path(digest))

    def open(self, digest: Digest) -> Reader:
        return self._files.open(blob_path(digest))

    def open_document(self, entry: Descriptor) -> Reader:
        return self.open(entry.digest)


def matches(path: Path, head: bytes) -> bool:
    """Claim a tar with an `oci-layout` file even if docker's manifest.json is in it: only the layout states how each blob
    is compressed.
    """
    if path.is_dir():
        return (path / LAYOUT_FILE).exists() or ((path / INDEX_FILE).exists() and (path / BLOBS).is_dir())
    try:
        if is_compressed(head):
            return _is_compressed_layout(path, head)
        return is_tar(head) and bool(TarFiles(path).layouts())
    except NotAnImageError:  # then docker_archive says what is wrong with it
        return False


def _is_compressed_layout(path: Path, head: bytes) -> bool:
    """Mostly told by the first member: an archive of docker's own is not inflated for this."""
    names: set[str] = set()
    promising = False
    with path.open("rb", buffering=0) as file, Inflated(file, head) as stream:
        reader = TarReader(stream)
        for member in reader:
            if member.kind in {"folder", "other"}:
                continue
            names.add(member.name)
            promising = promising or bool(_LAYOUTS.search(member.name))
            if not promising and (len(names) > _UNTOLD or _DOCKERS.search(member.name)):
                return False
            if member.name == DOCKER_MANIFEST and _lists_images(read_full(reader.data())):
                return False
    return bool(layouts_among(names))


def _lists_images(manifest: bytes) -> bool:
    """Whether this is a manifest.json by which docker would load something."""
    try:
        return bool(decode(manifest))
    except ValueError:
        return False


@contextlib.contextmanager
def opened(path: Path, request: SourceRequest) -> Iterator[Opened]:
    """Open the layout; one in a compressed tar is unpacked to `request.folder` first."""
    try:
        if path.is_dir():
            yield _opened(FolderFiles(path), str(path), request)
            return
        with _plain(path, request.folder) as tar:
            yield _opened_tar(tar, str(path), request)
    except DamagedError as error:
        raise NotAnImageError(f"{path} is a damaged archive: {error}", hint=_DAMAGED) from error


def _opened_tar(tar: Path, what: str, request: SourceRequest) -> Opened:
    """The layout in a tar; where it is broken and docker's manifest.json beside it is not, what that says."""
    files = TarFiles(tar)
    files.folder = one_layout(files.layouts(), what)
    try:
        return _opened(files, what, request)
    except SeveralImagesError:
        raise
    except NotAnImageError as error:
        # docs/decisions.md#one-good-half-is-enough
        docker = _as_docker_reads(tar, request) if files.size(DOCKER_MANIFEST) is not None else None
        if docker is None:
            raise
        request.emit(
            events.Warned(
                f"{error.message}, so its {DOCKER_MANIFEST} is read, as `docker load` does",
                "make the archive anew, since other tools may read its damaged part",
            )
        )
        return docker


def _as_docker_reads(tar: Path, request: SourceRequest) -> Opened | None:
    from flakeship.sources.docker_archive import SeekableArchive

    with contextlib.suppress(NotAnImageError, UsageError):
        archive = SeekableArchive(tar, request.image_in_archive)
        if all(map(archive.image().platform.serves, request.platforms)):
            return archive
    return None


@contextlib.contextmanager
def _plain(path: Path, folder: Path | None) -> Iterator[Path]:
    """The tar itself, or what a compressed one holds: its blobs are asked for in any order. About as large, mostly."""
    with path.open("rb", buffering=0) as file:
        head = file.read(BLOCK)
        if not is_compressed(head):
            yield path
            return
        file.seek(0)
        with contextlib.ExitStack() as scope:
            try:
                plain = scope.enter_context(tempfile.NamedTemporaryFile(dir=folder, prefix="layout-"))
                with Inflated(file, head) as stream:
                    shutil.copyfileobj(stream, plain, CHUNK)
                plain.flush()
            except OSError as error:
                raise ResourceError(
                    f"can't decompress {path} to {folder or tempfile.gettempdir()}: {error.strerror}",
                    hint="free some space, or set TMPDIR to a folder on a larger disk",
                ) from error
            yield Path(plain.name)


def _opened(files: Files, what: str, request: SourceRequest) -> Opened:
    from flakeship.sources.indexes import entries
    from flakeship.sources.stored import open_images

    if files.size(LAYOUT_FILE) is not None:  # neither skopeo nor crane ask for it
        _check_version(str(_json(files, LAYOUT_FILE, what).get("imageLayoutVersion")), what)
    blobs = _LayoutBlobs(files, what)
    sparse = files.size(DOCKER_MANIFEST) is not None  # docker save leaves out the platforms it has not
    index = _json(files, INDEX_FILE, what)
    listed = entries(index, what)
    found, names = _choose(blobs, listed, request, sparse=sparse)
    if found.left_out:
        request.emit(
            events.Notice(
                f"{what}: {counted(found.left_out, 'entry is', 'entries are')} left out: not an image, or absent"
            )
        )
    return open_images(blobs, found, platforms=request.platforms, names=names, as_is=request.as_is)


def _check_version(version: str, what: str) -> None:
    if not version.startswith(_VERSION):
        raise NotAnImageError(
            f"{what} is an image layout of version {version[:40]!r}, but flakeship reads 1.0.0",
            hint="take a newer flakeship if there is one, or write the layout as 1.0.0",
        )


def _choose(
    blobs: _LayoutBlobs, listed: Sequence[Descriptor], request: SourceRequest, *, sparse: bool
) -> tuple[ImageManifests, tuple[str, ...]]:
    """index.json lists images, one under each of its names; or it is itself the index of one image."""
    from flakeship.sources.choice import choose_image
    from flakeship.sources.documents import is_index
    from flakeship.sources.indexes import image_alone, manifests_among, manifests_below

    wanted, platforms = request.image_in_archive, request.platforms
    named = _named(listed)
    if not named:
        raise NotAnImageError(f"{blobs.what} is an image layout that lists no image", hint=_DAMAGED)
    beside: tuple[Artifact, ...] = ()
    if len(named) > 1 and (beside := _artifacts(blobs, listed)):
        others = {artifact.entry.digest for artifact in beside}
        listed = [entry for entry in listed if entry.digest not in others]
        named = _named(listed)
    if len(named) > 1 and not wanted:
        names = set(map(tuple, named.values()))
        if all(entry.platform for entry in listed) and len(names) == 1:
            found = manifests_among(blobs, listed, {}, platforms=platforms, sparse=sparse)
            return replace(found, artifacts=(*found.artifacts, *beside)), tuple(*names)
    place = choose_image(list(named.values()), wanted, what=blobs.what)
    digest, own = list(named.items())[place]
    entry = next(entry for entry in listed if entry.digest == digest)
    if is_index(blobs, entry):
        found = manifests_below(blobs, entry, platforms=platforms, sparse=sparse)
    else:
        found = image_alone(blobs, entry)
    return replace(found, artifacts=(*found.artifacts, *beside)), tuple(own)


def _named(listed: Sequence[Descriptor]) -> dict[Digest, list[str]]:
    """What index.json lists, each with its names."""
    named: dict[Digest, list[str]] = {}
    for entry in listed:
        names = (name for key in NAMES if (name := entry.annotations.get(key)))
        named.setdefault(entry.digest, []).extend(filter(None, (next(names, ""),)))
    return named


def _artifacts(blobs: _LayoutBlobs, listed: Sequence[Descriptor]) -> tuple[Artifact, ...]:
    """What of index.json is no image, as `oras cp -r` puts it beside one; nothing, where nothing else is there."""
    from flakeship.sources.indexes import artifact_at

    found = tuple(artifact for entry in listed if (artifact := artifact_at(blobs, entry)))
    return found if len({artifact.entry.digest for artifact in found}) < len(_named(listed)) else ()


def _json(files: Files, name: str, what: str) -> dict[str, Any]:
    if files.size(name) is None:
        raise NotAnImageError(f"{what} is an incomplete image layout: it has no {name}", hint=_DAMAGED)
    with files.open(name) as reader:
        data = read_full(reader, DOCUMENT_LIMIT + 1)
    if git_lfs.is_pointer(data):
        raise NotAnImageError(f"{what}: {name} is a pointer of git LFS", hint=git_lfs.HINT)
    try:
        return decode_object(data)
    except ValueError as error:
        raise NotAnImageError(f"{what}: {name} can't be read: {error}", hint=_DAMAGED) from error
