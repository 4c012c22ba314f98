"""`docker load`'s format, as dockerTools, skopeo and docker write it: which member is which layer, read in place
where the archive can be sought in, or in the order of the stream where it can't.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from flakeship.errors import NotAnImageError
from flakeship.image.claims import image_of
from flakeship.image.document import DOCUMENT_LIMIT, decode, decode_object
from flakeship.image.inflate import Inflated, Rejoined, is_compressed, uncompressed
from flakeship.image.model import Digest, Image, Layer
from flakeship.image.stream import CHUNK, Reader, chunks, read_full
from flakeship.image.tar import BLOCK, Bounded, DamagedError, Member, TarReader, inside, is_tar, shown
from flakeship.sources.opened import Circumstances, Opened

KIND: Final = "docker-archive"

_MANIFEST: Final = "manifest.json"
_BY_DIGEST: Final = re.compile(r"([0-9a-f]{64})(?:/layer)?\.tar")
_NOT_BUILT: Final = (
    "the archive was not made by a builder that flakeship knows, or is damaged; build it again"
)
_MANIFEST_LIMIT: Final = 1024 * 1024
# What docker save writes beside the image for engines older than 1.10
_LEGACY: Final = frozenset({"VERSION", "json", "repositories"})


def matches(path: Path, head: bytes) -> bool:
    return is_tar(head) or is_compressed(head)


@contextlib.contextmanager
def opened(path: Path, circumstances: Circumstances) -> Iterator[Opened]:
    with path.open("rb", buffering=0) as file, reported(str(path)):
        head = file.read(BLOCK)
        file.seek(0)
        if is_tar(head):
            yield SeekableArchive(path)
            return
        with Inflated(file, head) as stream:
            yield StreamedArchive(stream, str(path))


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


@dataclass(frozen=True, slots=True)
class _Entry:
    """The one image of manifest.json: names of members."""

    config: str
    layers: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(slots=True)
class _Links:
    """Where links lead; docker save and buildImage write a layer that occurs twice as a link to the first."""

    targets: dict[str, str] = field(default_factory=dict)

    def resolve(self, name: str) -> str:
        for _ in range(8):
            if name not in self.targets:
                return name
            name = self.targets[name]
        raise NotAnImageError(
            f"the archive's member {shown(name)} is a link that leads in a circle", hint=_NOT_BUILT
        )


class SeekableArchive:
    """A plain archive: an index of its members first, layers read where they lie, in any order and at once."""

    forward_only = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._members: dict[str, Member] = {}
        self._links = _Links()
        with path.open("rb") as file:
            for member in TarReader(file):
                self._note(member)
        entry = _entry(self._document(_MANIFEST, _MANIFEST_LIMIT))
        config = self._document(entry.config, DOCUMENT_LIMIT)
        self._layer_members = [self._member(name) for name in entry.layers]
        keys = [member.name for member in self._layer_members]
        self._image = _image(config, entry, keys)

    def layers(self) -> Iterator[Layer]:
        claimed = dict(zip(self._image.layers, self._image.diff_ids, strict=True))
        for member in dict.fromkeys(self._layer_members):
            yield Layer(member.name, _Opener(self._path, member), claimed[member.name], member.size)

    def image(self) -> Image:
        return self._image

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
            raise _missing(name)
        return member

    def _document(self, name: str, limit: int) -> bytes:
        member = self._member(name)
        if member.size > limit:
            raise _too_large(name, limit)
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

    def __init__(self, stream: Reader, what: str) -> None:
        self._stream, self._what = stream, what
        self._documents: dict[str, bytes | None] = {}
        self._room = 4 * DOCUMENT_LIMIT
        self._keys: dict[str, str] = {}
        self._links = _Links()

    def layers(self) -> Iterator[Layer]:
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
        key = member.name if member.name not in self._keys else f"{member.name}#{member.offset}"
        self._keys[member.name] = key
        yield Layer(
            key, lambda: uncompressed(Rejoined(head, data)), size=member.size, named=_named(member.name)
        )

    def _note(self, member: Member, head: bytes, data: Bounded) -> None:
        """Keep a document; None for one that is larger than any may be."""
        small = member.size <= DOCUMENT_LIMIT
        self._room -= member.size if small else 0
        if self._room < 0:
            raise NotAnImageError(
                f"the archive holds more than {4 * DOCUMENT_LIMIT} bytes of JSON; no image does",
                hint=_NOT_BUILT,
            )
        self._documents[member.name] = head + b"".join(chunks(data)) if small else None

    def image(self) -> Image:
        entry = _entry(self._document(_MANIFEST, _MANIFEST_LIMIT))
        keys = [self._key(name) for name in entry.layers]
        return _image(self._document(entry.config, DOCUMENT_LIMIT), entry, keys)

    def _key(self, name: str) -> str:
        key = self._keys.get(self._links.resolve(inside(name)))
        if key is None:
            raise _missing(name)
        return key

    def _document(self, name: str, limit: int) -> bytes:
        member = self._links.resolve(inside(name))
        if member not in self._documents:
            raise _missing(name)
        data = self._documents[member]
        if data is None or len(data) > limit:
            raise _too_large(name, limit)
        return data


def _is_document(name: str, head: bytes) -> bool:
    """Tar has no magic in its oldest form, so what is no JSON is taken for a layer."""
    if is_tar(head) or is_compressed(head):
        return False
    return name.endswith(".json") or head.lstrip()[:1] in {b"{", b"["}


def _named(name: str) -> Digest | None:
    """buildLayeredImage and skopeo name a layer by its diff_id; buildImage by another hash, which is nobody's diff_id."""
    found = _BY_DIGEST.fullmatch(name)
    return Digest(f"sha256:{found[1]}") if found else None


def _entry(data: bytes) -> _Entry:
    try:
        listed = decode(data, limit=_MANIFEST_LIMIT)
    except ValueError as error:
        raise NotAnImageError(f"the archive's {_MANIFEST} can't be read: {error}", hint=_NOT_BUILT) from error
    entries = listed if isinstance(listed, list) else []
    if len(entries) > 1:
        raise NotAnImageError(
            f"the archive holds {len(entries)} images: {', '.join(map(_called, entries))}",
            hint="give flakeship one image: build the images apart instead of with mergeImages",
        )
    if not entries or not isinstance(entries[0], dict):
        raise NotAnImageError(f"the archive's {_MANIFEST} lists no image", hint=_NOT_BUILT)
    config, layers, names = (entries[0].get(key) for key in ("Config", "Layers", "RepoTags"))
    if not isinstance(config, str) or not _all_text(layers or []) or not _all_text(names or []):
        raise NotAnImageError(f"the archive's {_MANIFEST} does not name a config and layers", hint=_NOT_BUILT)
    return _Entry(config, tuple(layers or ()), tuple(names or ()))


def _all_text(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _called(entry: object) -> str:
    names = entry.get("RepoTags") if isinstance(entry, dict) else None
    return ", ".join(map(str, names)) if isinstance(names, list) and names else "one without a name"


def _image(config: bytes, entry: _Entry, keys: list[str]) -> Image:
    try:
        document = decode_object(config)
    except ValueError as error:
        raise NotAnImageError(
            f"the image's config {shown(entry.config)} can't be read: {error}", hint=_NOT_BUILT
        ) from error
    return image_of(document, keys, what=f"the image's config {shown(entry.config)}", names=entry.names)


def _missing(name: str) -> NotAnImageError:
    if name == _MANIFEST:
        return NotAnImageError(
            f"the archive has no {_MANIFEST}: it is not an image that `docker load` would take",
            hint="point flakeship at an image attribute (dockerTools.buildLayeredImage, streamLayeredImage, …)",
        )
    return NotAnImageError(
        f"the archive has no member {shown(name)}, which its {_MANIFEST} names", hint=_NOT_BUILT
    )


def _too_large(name: str, limit: int) -> NotAnImageError:
    return NotAnImageError(
        f"the archive's {shown(name)} has more than {limit} bytes; no real one has", hint=_NOT_BUILT
    )
