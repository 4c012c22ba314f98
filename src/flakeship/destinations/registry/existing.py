"""Reads the images that a repository holds before the run: a manifest and a config, two small documents an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from flakeship.errors import Error
from flakeship.events import Detail, Emit
from flakeship.image.document import DOCUMENT_LIMIT, decode_object
from flakeship.image.existing import ExistingImage, children, config_of, existing_image, media_type_of
from flakeship.image.media_types import INDEXES
from flakeship.image.model import Digest, digest_of
from flakeship.image.stream import chunks
from flakeship.image.workers import workers
from flakeship.registry.client import RegistryClient

_PLATFORMS: Final = 8
_AT_ONCE: Final = 4


def existing_images(
    client: RegistryClient, references: Sequence[str], emit: Emit
) -> tuple[ExistingImage, ...]:
    """Return the images behind tags or digests in their order, for an index one image a platform.

    An image that can't be read or contradicts itself is left out, which only costs the reuse of its layers.
    """
    if not references:
        return ()
    with workers("look", min(len(references), _AT_ONCE)) as pool:
        found = list(pool.map(lambda reference: list(_images(client, reference, emit)), references))
    return tuple(image for images in found for image in images)


def _images(
    client: RegistryClient, reference: str, emit: Emit, *, within: bool = False
) -> Iterator[ExistingImage]:
    try:
        manifest = _manifest(client, reference)
        if manifest is None:
            return
        # an index inside an index has no use, and the nesting might never end
        if not within and (media_type_of(manifest) in INDEXES or "manifests" in manifest):
            for digest in dict.fromkeys(children(manifest)[:_PLATFORMS]):
                yield from _images(client, digest, emit, within=True)
            return
        yield existing_image(client.name, manifest, _config(client, config_of(manifest).digest))
    except (Error, ValueError, KeyError) as error:
        emit(Detail(f"{client.name}:{reference} is of no use for reuse: {error}"))


def _manifest(client: RegistryClient, reference: str) -> dict[str, Any] | None:
    found = client.get_manifest(reference)
    if found is None:
        return None
    if ":" in reference and found.digest != reference:
        raise ValueError("it has another digest")
    return decode_object(found.data)


def _config(client: RegistryClient, digest: Digest) -> dict[str, Any]:
    with client.get_blob(digest) as reader:
        data = b""
        for piece in chunks(reader):
            data += piece
            if len(data) > DOCUMENT_LIMIT:
                raise ValueError("its config has more than 4 MiB")
    if digest_of(data) != digest:
        raise ValueError("its config has another digest")
    return decode_object(data)
