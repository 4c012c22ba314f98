"""`docker load`'s format, as dockerTools, skopeo and docker write it: which member is which layer, read in place
where the archive can be sought in, or in the order of the stream where it can't.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flakeship.errors import NotAnImageError
from flakeship.image.document import DOCUMENT_LIMIT, decode_object
from flakeship.image.inflate import Inflated, is_compressed, uncompressed
from flakeship.image.model import Digest, Image, Layer
from flakeship.image.stream import CHUNK, Prefixed, Reader, chunks, read_full
from flakeship.image.tar.reader import (
    BLOCK,
    Bounded,
    DamagedError,
    Member,
    TarReader,
    inside,
    is_old_tar,
    is_tar,
)
from flakeship.sources.docker_manifest import (
    MANIFEST,
    MANIFEST_LIMIT,
    NOT_BUILT,
    MemberLinks,
    choose_entry,
    image_of_entry,
    missing,
    too_large,
)
from flakeship.sources.opened import Opened, SourceRequest

KIND: Final = "docker-archive"

# What docker save writes beside the image for engines older than 1.10
_LEGACY: Final = frozenset({"VERSION", "json", "repositories"})
_OF_ARCHIVE: Final = re.compile(r"^blobs/|\.tar$|^[^/]+\.json$|(^|/)(VERSION|json|repositories)$")
"""The names of members that docker, skopeo and nixpkgs write before manifest.json, and that lie at no root of a file system."""
_BY_DIGEST: Final = re.compile(r"([0-9a-f]{64})(?:/layer)?\.tar")


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
        needed = _needed(path, head, wanted) if wanted else None
        with Inflated(file, head) as stream:
            yield StreamedArchive(stream, str(path), wanted, needed)


def _needed(path: Path, head: bytes, wanted: str) -> frozenset[str]:
    """The layers of the image wanted, by a first reading: those of the others are nobody's business."""
    with path.open("rb", buffering=0) as file, Inflated(file, head) as stream:
        archive = StreamedArchive(stream, str(path), wanted)
        for _ in archive.layers():
            pass
        return frozenset(archive.image().layers)


@contextlib.contextmanager
def reported(what: str) -> Iterator[None]:
    """Say of which file it is that the archive is damaged."""
    try:
        yield
    except DamagedError as error:
        raise NotAnImageError(
            f"{what} is a damaged archive: {error}",
            hint="the file was cut off or changed after it was built; build or copy it again",
        ) from error


class SeekableArchive:
    """A plain archive: an index of its members first, layers read where they lie, in any order and at once."""

    forward_only = False

    def __init__(self, path: Path, wanted: str = "") -> None:
        self._path, self._wanted = path, wanted
        self._members: dict[str, Member] = {}
        self._links = MemberLinks()
        with path.open("rb") as file:
            for member in TarReader(file):
                self._note(member)
        entry = choose_entry(self._document(MANIFEST, MANIFEST_LIMIT), self._wanted)
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
        return Layer(diff_id, _Opener(self._path, member), diff_id, member.size, member=member.name)

    def _note(self, member: Member) -> None:
        """The last of several members of one name counts, as it does for tar."""
        self._links.targets.pop(member.name, None)
        match member.kind:
            case "file":
                self._members[member.name] = member
            case "symlink" | "hardlink":
                self._links.targets[member.name] = member.target
            case "folder":
                pass

    def _member(self, name: str) -> Member:
        member = self._members.get(self._links.resolve(inside(name)))
        if member is None:
            raise missing(name)
        return member

    def _document(self, name: str, limit: int) -> bytes:
        member = self._member(name)
        if member.size > limit:
            raise too_large(name, limit)
        with self._path.open("rb", buffering=0) as file:
            file.seek(member.offset)
            return read_full(Bounded(file, member.size), limit)


@dataclass(frozen=True, slots=True)
class _Opener:
    path: Path
    member: Member

    def __call__(self) -> Reader:
        try:
            file = self.path.open("rb", buffering=0)
        except FileNotFoundError as error:
            raise DamagedError("it was removed while it was read") from error
        with contextlib.ExitStack() as stack:
            stack.enter_context(file)
            file.seek(self.member.offset)
            reader = uncompressed(Bounded(file, self.member.size, own=True))
            stack.pop_all()
        return reader


class StreamedArchive:
    """An archive that can only be read forward: what looks like a layer is one; the manifest tells at the end."""

    forward_only = True

    def __init__(
        self, stream: Reader, what: str, wanted: str = "", needed: frozenset[str] | None = None
    ) -> None:
        self._stream, self._what, self._wanted, self._needed = stream, what, wanted, needed
        self._documents: dict[str, bytes | None] = {}
        self._room = 4 * DOCUMENT_LIMIT
        self._keys: dict[str, str] = {}
        self._links = MemberLinks()

    def layers(self) -> Iterator[Layer]:
        """Yield what looks like a layer, in the order of the stream."""
        with reported(self._what):
            reader = TarReader(self._stream)
            for member in reader:
                if member.kind in {"symlink", "hardlink"}:
                    self._links.targets[member.name] = member.target
                elif member.kind == "file" and member.name.rpartition("/")[2] not in _LEGACY:
                    yield from self._layer(member, reader.data())
            while self._stream.read(CHUNK):  # a compressed stream's checksum stands at its very end
                pass

    def _layer(self, member: Member, data: Bounded) -> Iterator[Layer]:
        self._links.targets.pop(member.name, None)
        head = read_full(data, BLOCK)
        if _is_document(member.name, head):
            self._note(member, head, data)
            return
        if not _is_layer(head):
            return
        name = member.name if member.name not in self._keys else f"{member.name}#{member.offset}"
        # with the source, for archives name their members alike and say only at their end what they hold
        key = self._keys[member.name] = f"{self._what}:{name}"
        if self._needed is None or key in self._needed:
            yield Layer(
                key,
                lambda: uncompressed(Prefixed(head, data)),
                size=member.size,
                named=_named(member.name),
                member=name,
            )

    def _note(self, member: Member, head: bytes, data: Bounded) -> None:
        """Keep a document; None for one that is larger than any may be."""
        small = member.size <= DOCUMENT_LIMIT
        self._room -= member.size if small else 0
        if self._room < 0:
            raise NotAnImageError(
                f"the archive holds more than {4 * DOCUMENT_LIMIT} bytes of JSON; no image does",
                hint=NOT_BUILT,
            )
        self._documents[member.name] = head + b"".join(chunks(data)) if small else None

    def image(self) -> Image:
        """Return the image; only after the last layer."""
        entry = choose_entry(self._document(MANIFEST, MANIFEST_LIMIT), self._wanted)
        keys = [self._key(name) for name in entry.layers]
        return image_of_entry(self._document(entry.config, DOCUMENT_LIMIT), entry, keys)

    def _key(self, name: str) -> str:
        key = self._keys.get(self._links.resolve(inside(name)))
        if key is None:
            raise missing(name)
        return key

    def _document(self, name: str, limit: int) -> bytes:
        member = self._links.resolve(inside(name))
        if member not in self._documents:
            raise missing(name)
        data = self._documents[member]
        if data is None or len(data) > limit:
            raise too_large(name, limit)
        return data


def _is_layer(head: bytes) -> bool:
    """Nothing else of an archive is packed and sent before its manifest has said what it is."""
    return not head or is_tar(head) or is_compressed(head) or is_old_tar(head)


def _is_document(name: str, head: bytes) -> bool:
    if _is_layer(head):
        return False
    return name.endswith(".json") or head.lstrip()[:1] in {b"{", b"["}


def _named(name: str) -> Digest | None:
    """buildLayeredImage and skopeo name a layer by its diff_id; buildImage by another hash, which is nobody's diff_id."""
    found = _BY_DIGEST.fullmatch(name)
    return Digest(f"sha256:{found[1]}") if found else None
