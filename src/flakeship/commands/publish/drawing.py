"""The pictures of what is in the images, which are written beside the metadata file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flakeship import events
from flakeship.commands.publish.metadata_file import picture_files
from flakeship.commands.publish.outputs import platforms_of_entries
from flakeship.errors import Error
from flakeship.lint.view import CUSTOMISED, comments_of, contents_of
from flakeship.redaction import redacted
from flakeship.report.picture.model import Contents, LayerContents, Measure, Package
from flakeship.report.summary import PackageRow
from flakeship.store_paths import name_of

if TYPE_CHECKING:
    from flakeship.commands.publish.result import Result
    from flakeship.commands.run import Run
    from flakeship.destinations.protocol import Published


_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


class StoredImage(NamedTuple):
    """An image of one platform as it is stored: the history of its config, and the descriptor of each layer, None for
    one that can't be used.
    """

    history: Sequence[Mapping[str, Any]]
    blobs: Sequence[StoredBlob | None]


class StoredBlob(NamedTuple):
    """A layer's blob; `size` is in bytes."""

    digest: str
    size: int


def contents_of_result(made: Result, run_: Run) -> tuple[Contents, ...]:
    """Return what is in the image of each platform whose bytes this run has. Sizes as by `contents_of_images`."""
    images = {
        platform: StoredImage(
            entry.image.image.history,
            [StoredBlob(layer.descriptor.digest, layer.descriptor.size) for layer in entry.image.layers],
        )
        for platform, entry in platforms_of_entries(made.packed).items()
        if entry.image
    }
    place = made.obtained.place
    return contents_of_images(
        name_of_image(made.published) or made.name, images, run_, known=place.sizes if place else _NOTHING
    )


def contents_of_images(
    name: str, images: Mapping[str, StoredImage], run_: Run, *, known: Mapping[str, int] = _NOTHING
) -> tuple[Contents, ...]:
    """Return what is in images, which are named by their platforms. `known` are sizes of NARs that another store has told.

    A layer has the packages that its history names, with their sizes if Nix knows all of them; else the layer has the size of
    its blob. No layer is read, and nothing is asked but the store of this machine.
    """
    held = {platform: _held_by(image) for platform, image in images.items()}
    paths = {path for layers in held.values() for paths in layers for path in paths}
    sizes = known or _sizes(paths, run_)
    return tuple(
        Contents(redacted(name), redacted(platform), tuple(_layers(image, held[platform], sizes)))
        for platform, image in images.items()
    )


def name_of_image(published: Sequence[Published]) -> str:
    """The first tag, else the place that the image is at, first of those that it was sent to; empty where there is none."""
    places = sorted(published, key=lambda place: not place.sent)
    tags = [tag for place in places for tag in place.tags]
    return next(filter(None, [*tags, *(place.reference for place in places)]), "").partition("@")[0]


def largest_packages(images: Iterable[Contents]) -> tuple[PackageRow, ...]:
    """Return the packages of all platforms, each store path once, the largest first; empty where no size is known."""
    known = {package.path: package for image in images for package in image.packages}
    rows = (PackageRow(package.name, package.size or 0) for package in known.values())
    return tuple(sorted(rows, key=lambda row: (-row.size, row.name)))


def write_pictures(metadata_file: Path, images: Sequence[Contents], emit: events.Emit) -> None:
    """Write the pictures. They are an extra: where one can't be written, a warning says so, and the run has not failed."""
    from flakeship.report.picture.page import page_of
    from flakeship.report.picture.svg import svg_of

    for path, draw in zip(picture_files(metadata_file), (svg_of, page_of), strict=False):
        try:
            path.write_text(draw(images), encoding="utf-8")
        except OSError as error:
            emit(
                events.Warned(
                    f"can't write the picture {path}: {error.strerror}; the metadata file and the image are written",
                    hint="name a metadata file in a folder that can be written to",
                )
            )


def _held_by(image: StoredImage) -> tuple[tuple[str, ...], ...]:
    """The store paths of each layer, none where its history also names what lies outside the store."""
    told = contents_of(image.history, len(image.blobs))
    return tuple(() if any(path.endswith(CUSTOMISED) for path in paths) else paths for paths in told)


def _sizes(paths: set[str], run_: Run) -> Mapping[str, int]:
    """The sizes of NARs in bytes that the store of this run knows. Without Nix, or where it fails, nothing is known."""
    if not any(map(os.path.lexists, paths)):
        return {}
    from flakeship.nix.closure import known_paths

    try:
        return {info.path: info.nar_size for info in known_paths(run_.builder.nix, paths)}
    except Error as error:  # the picture shows layers then
        run_.emit(events.Detail(f"the sizes of store paths are not known: {error.message}"))
        return {}


def _layers(
    image: StoredImage, held: Sequence[Sequence[str]], sizes: Mapping[str, int]
) -> Iterator[LayerContents]:
    """Each blob once, where it is lowest."""
    seen: set[str] = set()
    texts = comments_of(image.history, len(image.blobs))
    for place, blob in enumerate(image.blobs):
        if blob is None or blob.digest in seen:
            continue
        seen.add(blob.digest)
        paths = held[place]
        whole = bool(paths) and all(path in sizes for path in paths)
        packages = tuple(
            Package(redacted(name_of(path)), redacted(path), sizes[path] if whole else None) for path in paths
        )
        size = sum(package.size or 0 for package in packages) if whole else blob.size
        measure: Measure = "unpacked" if whole else "compressed"
        yield LayerContents(place + 1, blob.digest, size, measure, packages, redacted(texts[place]))
