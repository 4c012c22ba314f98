"""`docker load`'s format read forward: what looks like a layer is one, until manifest.json says which were."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from typing import Final

from flakeship.errors import NotAnImageError
from flakeship.image.document import DOCUMENT_LIMIT
from flakeship.image.inflate import is_compressed, uncompressed
from flakeship.image.model import Digest, Image, Layer
from flakeship.image.stream import CHUNK, Prefixed, Reader, chunks, read_full
from flakeship.image.tar.blocks import BLOCK, DamagedError
from flakeship.image.tar.members import Links
from flakeship.image.tar.reader import Member, TarReader, is_tar
from flakeship.sources.choice import SeveralImagesError
from flakeship.sources.docker_manifest import (
    MANIFEST,
    MANIFEST_LIMIT,
    NOT_BUILT,
    ArchiveEntry,
    choose_entry,
    image_of_entry,
    missing,
    too_large,
)

# What docker save writes beside the image for engines older than 1.10
_LEGACY: Final = frozenset({"VERSION", "json", "repositories"})
_MOST_LAYERS: Final = 127
"""No engine starts an image of more layers: https://github.com/moby/moby/blob/master/layer/layer_store.go."""
_BY_DIGEST: Final = re.compile(r"([0-9a-f]{64})(?:/layer)?\.tar")


@contextlib.contextmanager
def reported(what: str) -> Iterator[None]:
    """Say of which file it is that the archive is damaged."""
    try:
        yield
    except DamagedError as error:
        raise NotAnImageError(
            f"{what} is a damaged archive: {error}",
            hint="build or copy the file again: it was cut off or changed after it was built",
        ) from error


class StreamedArchive:
    """An archive that can only be read forward: what looks like a layer is one; the manifest tells at the end."""

    forward_only = True

    def __init__(
        self,
        stream: Reader,
        what: str,
        wanted: str = "",
        *,
        needed: frozenset[str] | None = None,
        look: Callable[[], frozenset[str]] | None = None,
    ) -> None:
        """`needed` are the keys of the layers to yield, None for all. `look` reads ahead which these are, where that can be
        done: it is asked where the archive is odd enough to be worth a second reading.
        """
        self._stream, self._what, self._wanted = stream, what, wanted
        self._needed, self._look = needed, look
        self._documents: dict[str, bytes | None] = {}
        self._configs = 0
        self._room = 4 * DOCUMENT_LIMIT
        self._keys: dict[str, str] = {}
        self._links = Links()
        self._marked = False
        self._handed_out = False

    def layers(self) -> Iterator[Layer]:
        """Yield what looks like a layer, in the order of the stream."""
        with reported(self._what):
            reader = TarReader(self._stream)
            for member in reader:
                self._links.note(member)
                if member.kind == "file" and member.name.rpartition("/")[2] not in _LEGACY:
                    yield from self._layer(member, reader.data())
            self._marked = reader.marked
            while self._stream.read(CHUNK):  # a compressed stream's checksum stands at its very end
                pass
            yield from self._layer_of_no_bytes()

    def _layer(self, member: Member, data: Reader) -> Iterator[Layer]:
        head = read_full(data, BLOCK)
        if _is_document(member.name, head):
            self._note(member, head, data)
            return
        if not head:
            self._keys[member.name] = self._key_of_nothing
            return
        if not _is_layer(head):
            return
        name = member.name if member.name not in self._keys else f"{member.name}#{member.offset}"
        # with the source, for archives name their members alike and say only at their end what they hold
        key = self._keys[member.name] = f"{self._what}:{name}"
        if len(self._keys) > _MOST_LAYERS:
            self._look_ahead()
        if self._needed is None or key in self._needed:
            self._handed_out = True
            yield Layer(
                key,
                lambda: uncompressed(Prefixed(head, data)),
                size=member.size,
                named=_named(member.name),
                member=name,
            )

    @property
    def _key_of_nothing(self) -> str:
        """The one key of all members without content."""
        return f"{self._what}:"

    def _layer_of_no_bytes(self) -> Iterator[Layer]:
        """Of the members without content only manifest.json tells which is a layer, and one stands for all."""
        key = self._key_of_nothing
        if key in self._keys.values() and key in map(self._key, self._entry().layers):
            yield Layer(key, lambda: io.BytesIO(b""), size=0, member="of no bytes")

    def _look_ahead(self) -> None:
        if self._look and self._needed is None:
            with self._saying_what_was_sent():
                self._needed = self._look()

    def _note(self, member: Member, head: bytes, data: Reader) -> None:
        """Keep a document; None for one that is larger than any may be."""
        small = member.size <= DOCUMENT_LIMIT
        self._room -= member.size if small else 0
        if self._room < 0:
            raise NotAnImageError(
                f"the archive holds more than {4 * DOCUMENT_LIMIT} bytes of JSON, so it is not an image",
                hint=NOT_BUILT,
            )
        content = self._documents[member.name] = head + b"".join(chunks(data)) if small else None
        self._configs += b'"diff_ids"' in (content or b"")
        if self._configs > 1:  # several images, most likely
            self._look_ahead()

    def image(self) -> Image:
        """Return the image; only after the last layer."""
        entry = self._entry()
        keys = [self._key(name) for name in entry.layers]
        return image_of_entry(self._document(entry.config, DOCUMENT_LIMIT), entry, keys)

    def _entry(self) -> ArchiveEntry:
        with self._saying_what_was_sent():
            return choose_entry(self._document(MANIFEST, MANIFEST_LIMIT), self._wanted)

    @contextlib.contextmanager
    def _saying_what_was_sent(self) -> Iterator[None]:
        # docs/decisions.md#several-images-are-known-late
        try:
            yield
        except SeveralImagesError as error:
            if not self._handed_out:
                raise
            raise SeveralImagesError(
                f"{error.message}. If layers were sent before that was known, no tag names them",
                hint=error.hint,
            ) from error

    def _key(self, name: str) -> str:
        key = self._keys.get(self._links.resolve(name))
        if key is None:
            raise missing(name, marked=self._marked, there=self._documents)
        return key

    def _document(self, name: str, limit: int) -> bytes:
        member = self._links.resolve(name)
        if member not in self._documents:
            raise missing(name, marked=self._marked, there=self._documents)
        data = self._documents[member]
        if data is None or len(data) > limit:
            raise too_large(name, limit)
        return data


def _is_layer(head: bytes) -> bool:
    """Nothing else of an archive is packed and sent before its manifest has said what it is."""
    return is_tar(head) or is_compressed(head)


def _is_document(name: str, head: bytes) -> bool:
    if not head or _is_layer(head):
        return False
    return name.endswith(".json") or head.lstrip()[:1] in {b"{", b"["}


def _named(name: str) -> Digest | None:
    """buildLayeredImage and skopeo name a layer by its diff_id; buildImage by another hash, which is nobody's diff_id."""
    found = _BY_DIGEST.fullmatch(name)
    return Digest(f"sha256:{found[1]}") if found else None
