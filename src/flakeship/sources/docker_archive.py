"""`docker load`'s format, as dockerTools, skopeo, crane and docker write it: which member is which layer, read in place
where the archive can be sought in, or in the order of the stream where it can't.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from flakeship.errors import NotAnImageError
from flakeship.image.document import DOCUMENT_LIMIT, decode_object
from flakeship.image.inflate import Inflated, is_compressed, uncompressed
from flakeship.image.model import Digest, Image, Layer
from flakeship.image.stream import Reader, read_full
from flakeship.image.tar.blocks import BLOCK, DamagedError
from flakeship.image.tar.members import Members
from flakeship.image.tar.reader import Member, TarReader, is_tar
from flakeship.sources.choice import check_platform
from flakeship.sources.docker_manifest import (
    MANIFEST,
    MANIFEST_LIMIT,
    choose_entry,
    image_of_entry,
    missing,
    too_large,
)
from flakeship.sources.docker_stream import StreamedArchive, reported
from flakeship.sources.opened import Opened, SourceRequest

KIND: Final = "docker-archive"

_OF_ARCHIVE: Final = re.compile(r"^blobs/|^sha256:|\.tar$|^[^/]+\.json$|(^|/)(VERSION|json|repositories)$")
"""The names of members that docker, skopeo, crane and nixpkgs write before manifest.json, and that lie at no root of a file system."""


def matches(path: Path, head: bytes) -> bool:
    """Look for manifest.json, or in a compressed archive, where it mostly stands last, for what stands before it.

    What is damaged is claimed only if the damage comes later: another kind of tar may hold what no archive may.
    """
    with contextlib.suppress(NotAnImageError, DamagedError, OSError), path.open("rb", buffering=0) as file:
        if is_tar(head):
            return any(member.name == MANIFEST for member in TarReader(file))
        if is_compressed(head):
            with Inflated(file, head) as stream:
                files = (member.name for member in TarReader(stream) if member.kind == "file")
                return bool(_OF_ARCHIVE.search(next(files, "")))
    return False


@contextlib.contextmanager
def opened(path: Path, request: SourceRequest) -> Iterator[Opened]:
    """Open the archive: in place where it is not compressed, else as a stream."""
    with path.open("rb", buffering=0) as file, reported(str(path)):
        head = file.read(BLOCK)
        file.seek(0)
        if is_tar(head):
            yield SeekableArchive(path, request.image_in_archive)
            return
        wanted = request.image_in_archive
        # docs/decisions.md#only-chosen-layers-leave-a-compressed-archive
        look = functools.partial(_needed, path, head, wanted)
        if request.platforms:  # before a layer is sent, for that costs more than another reading
            check_platform(_looked_at(path, head, wanted).platform, request.platforms, what=str(path))
        with Inflated(file, head) as stream:
            yield StreamedArchive(stream, str(path), wanted, needed=look() if wanted else None, look=look)


def _needed(path: Path, head: bytes, wanted: str) -> frozenset[str]:
    """The layers of the image wanted, by a first reading: those of the others are nobody's business."""
    return frozenset(_looked_at(path, head, wanted).layers)


def _looked_at(path: Path, head: bytes, wanted: str) -> Image:
    with path.open("rb", buffering=0) as file, Inflated(file, head) as stream:
        archive = StreamedArchive(stream, str(path), wanted, needed=frozenset())
        for _ in archive.layers():
            pass
        return archive.image()


class SeekableArchive:
    """A plain archive: an index of its members first, layers read where they lie, in any order and at once."""

    forward_only = False

    def __init__(self, path: Path, wanted: str = "") -> None:
        self._members = Members(path)
        entry = choose_entry(self._document(MANIFEST, MANIFEST_LIMIT), wanted)
        self.names = entry.layers
        """The names of the layers, as manifest.json spells them."""
        config = self._document(entry.config, DOCUMENT_LIMIT)
        members = [self._member(name) for name in entry.layers]
        self._image = image_of_entry(config, entry)
        written = decode_object(config).get("config")
        self.runtime_as_written: Mapping[str, Any] = written if isinstance(written, dict) else {}
        """`config` with the keys that the archive spells, for what reads them otherwise than engines do."""
        claimed = zip(members, self._image.diff_ids, strict=True)
        self._layers = {diff_id: self._layer(member, diff_id) for member, diff_id in claimed if diff_id}

    def layers(self) -> Iterator[Layer]:
        """Yield the layers; each can be opened any number of times."""
        return iter(self._layers.values())

    def image(self) -> Image:
        """Return the image that manifest.json and the config describe."""
        return self._image

    def _layer(self, member: Member, diff_id: Digest) -> Layer:
        opener = functools.partial(_opened_layer, self._members, member)
        return Layer(diff_id, opener, diff_id, member.size, member=member.name)

    def _member(self, name: str) -> Member:
        member = self._members.find(name)
        if member is None:
            raise missing(name, marked=self._members.marked, there=self._members.names())
        return member

    def _document(self, name: str, limit: int) -> bytes:
        member = self._member(name)
        if member.size > limit:
            raise too_large(name, limit)
        with self._members.open(member) as reader:
            return read_full(reader, limit)


def _opened_layer(members: Members, member: Member) -> Reader:
    with contextlib.ExitStack() as stack:
        reader = uncompressed(stack.enter_context(members.open(member)))
        stack.pop_all()
    return reader
