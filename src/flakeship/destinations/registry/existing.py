"""Reads the images that a repository holds before the run: a manifest and a config, two small documents an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Final

from flakeship.errors import Error
from flakeship.events import Detail, Emit, Notice
from flakeship.http.errors import WireError
from flakeship.image.existing import ExistingImage
from flakeship.image.place import ManifestDocument, read_image, read_manifest
from flakeship.image.workers import workers
from flakeship.registry.client import RegistryClient
from flakeship.registry.errors import TRANSIENT, DeniedError, RegistryError
from flakeship.registry.reading import RepositoryReader

_PLATFORMS: Final = 8
_AT_ONCE: Final = 4


def existing_images(
    client: RegistryClient,
    references: Sequence[str],
    emit: Emit,
    *,
    seen: Callable[[str, ManifestDocument], None] = lambda _reference, _manifest: None,
    certain: bool = False,
) -> tuple[ExistingImage, ...]:
    """Return the images behind tags or digests in their order, for an index one image a platform.

    An image that can't be read or contradicts itself is left out, which only costs the reuse of its layers. `seen` is
    called with each manifest before its config is read. `certain` is for who tells what is there, and pushes nothing that
    would fail: then UnreachableError where a registry can't be asked, and it is told of what the registry refuses to show.
    """
    if not references:
        return ()
    repository = RepositoryReader(client, client.name)

    def look(reference: str) -> list[ExistingImage]:
        return list(_images(repository, reference, emit, seen, certain=certain))

    first, *others = references
    with workers("look", min(len(references), _AT_ONCE)) as pool:
        found = [pool.submit(look, reference) for reference in others]
        images_of = [look(first), *(each.result() for each in found)]
    return tuple(
        replace(image, reference=f"{client.name}:{reference}")
        for reference, images in zip(references, images_of, strict=True)
        for image in images
    )


def _images(
    repository: RepositoryReader,
    reference: str,
    emit: Emit,
    seen: Callable[[str, ManifestDocument], None],
    *,
    certain: bool,
    within: str = "",
) -> Iterator[ExistingImage]:
    try:
        manifest = read_manifest(repository, reference)
        if manifest is None:
            if within:  # as those leave it who delete what has no tag
                emit(Notice(f"{repository.name}:{within} lists {reference}, which is not there any more"))
            return
        seen(reference, manifest)
        # an index inside an index has no use, and the nesting might never end
        if not within and manifest.is_index:
            yield from _listed(repository, manifest, emit, seen, certain=certain, within=reference)
            return
        yield read_image(repository, manifest)
    except (Error, ValueError, KeyError) as error:
        if certain and _hides_what_is_there(error):
            raise
        if certain and isinstance(error, (DeniedError, RegistryError)):
            emit(Notice(f"{repository.name}:{reference} can't be looked at: {error}"))
            return
        emit(Detail(f"{repository.name}:{reference} is of no use for reuse: {error}"))


def _hides_what_is_there(error: Exception) -> bool:
    """Whether nobody can tell: the registry did not answer, or only that it can't now."""
    return isinstance(error, WireError) and not (
        isinstance(error, RegistryError) and error.answer.status not in TRANSIENT
    )


def _listed(
    repository: RepositoryReader,
    index: ManifestDocument,
    emit: Emit,
    seen: Callable[[str, ManifestDocument], None],
    *,
    certain: bool,
    within: str,
) -> Iterator[ExistingImage]:
    """The images that an index lists, in its order, asked for at the same time: each takes two questions, one behind the other."""

    def look(digest: str) -> list[ExistingImage]:
        return list(_images(repository, digest, emit, seen, certain=certain, within=within))

    with workers("look", _AT_ONCE) as pool:
        yield from chain.from_iterable(pool.map(look, dict.fromkeys(index.children()[:_PLATFORMS])))
