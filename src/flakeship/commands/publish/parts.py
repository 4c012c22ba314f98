"""An image is published from a list of parts, one for each platform that is built apart; all are opened as one source."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from flakeship.commands.publish.stamping import Stamp
from flakeship.image.annotations import SOURCE
from flakeship.image.model import EMPTY, Image, Layer, Platform
from flakeship.outside.moments import moment_at
from flakeship.sources.opened import KeepsOriginal, Opened, OpenedIndex

if TYPE_CHECKING:
    from flakeship.commands.building.buildable import Buildable
    from flakeship.commands.building.other_store import OtherStore
    from flakeship.image.original import Original
    from flakeship.nix.build import BuildOutput
    from flakeship.nix.flake import FlakeMetadata
    from flakeship.sources.blobs import RegistryImage


@dataclass(frozen=True, slots=True)
class Obtained:
    """A result and where it came from. `path` is a store path, a file or a folder; for a `remote` it can't be opened.

    `buildable` and `output` are None for what was given as `source`. `shown` is how messages call one that comes once, and
    `path` is then a file that is kept of it. `image` is the one meant of several in an archive, where `source` says which.
    `system` is what it was built for, where a platform was asked for: the derivation of what is cross-compiled has another.
    `base` is the image that a package is put on. `published` is True where an image of it was found and nothing was built.
    """

    path: Path
    buildable: Buildable | None = None
    output: BuildOutput | None = None
    flake: FlakeMetadata | None = None
    remote: RegistryImage | None = None
    shown: str = ""
    image: str = ""
    system: str = ""
    base: RegistryImage | None = None
    published: bool = False

    @property
    def name(self) -> str:
        """The name that messages use."""
        return self.remote.blobs.what if self.remote else self.shown or str(self.path)

    @property
    def place(self) -> OtherStore | None:
        """Where its files are read from, so that they are fetched when they are read; None for this machine."""
        if self.buildable is None or self.output is None:
            return None
        return self.buildable.builder.place_of(*self.output.paths)

    @property
    def commit_time(self) -> datetime | None:
        """When the flake's source was committed; None where Nix does not know."""
        if self.flake is None or self.flake.last_modified is None:
            return None
        return moment_at(self.flake.last_modified)


# docs/decisions.md#publish-runs-over-a-list-of-parts
@dataclass(frozen=True, slots=True)
class Part:
    """One platform of what is published, or all platforms that one source holds.

    `open` opens the source, any number of times; `stamp` makes of each of its images the one to publish. `platform` is
    the one that it was built for, and None where only the source knows it.
    """

    obtained: Obtained
    open: Callable[[], contextlib.AbstractContextManager[Opened]]
    stamp: Stamp
    platform: Platform | None = None

    @property
    def name(self) -> str:
        """The name that messages use."""
        return self.obtained.name

    @property
    def is_of_a_mac(self) -> bool:
        """Whether it was built for macOS, which is right only for what is put together there of Linux's programs."""
        return self.obtained.output is not None and self.obtained.output.system.endswith("-darwin")


@dataclass(frozen=True, slots=True)
class Stamped:
    """The images to publish. `annotations` are those of the index that holds them, None where there is but one image.

    `original` is the source as it is, where this run changes nothing of it.
    """

    images: tuple[Image, ...]
    annotations: Mapping[str, str] | None = None
    descriptor_annotations: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    original: Original | None = None


@dataclass(frozen=True, slots=True)
class OpenParts:
    """The sources of all parts, open, as one."""

    parts: Sequence[Part]
    sources: Sequence[Opened]
    _read: dict[int, set[str]] = field(default_factory=dict, repr=False)
    """By the place of its source, the keys of the layers that were yielded or, being another's too, passed over."""

    @property
    def forward_only(self) -> bool:
        """True if a layer must be read before the next is asked for."""
        return any(source.forward_only for source in self.sources)

    @property
    def makes_index(self) -> bool:
        """True if there are images for several platforms, which go under one index."""
        return len(self.sources) > 1 or isinstance(self.sources[0], OpenedIndex)

    def platforms(self) -> list[Platform]:
        """The platforms of all images; only for sources that are not read forward."""
        if all(part.platform for part in self.parts):
            return [part.platform for part in self.parts if part.platform]
        return [image.platform for source in self.sources for image in _images(source)]

    def read_of(self, place: int) -> Collection[str]:
        """The keys of the layers that the source at this place has yielded so far."""
        return self._read.get(place, set())

    def layers(self) -> Iterator[Layer]:
        """The layers of all parts, each key once."""
        seen: set[str] = set()
        for place, source in enumerate(self.sources):
            read = self._read.setdefault(place, set())
            for layer in source.layers():
                read.add(layer.key)
                if layer.key not in seen:
                    seen.add(layer.key)
                    yield layer


def layers_for(source: OpenParts, platform: Platform) -> Callable[[str], bool] | None:
    """Tell by its key whether a layer may belong to the image for this platform; None where no image is for it.

    Of a part that is read forward only, it is told of a layer when it was yielded.
    """
    found = platform_for(source.platforms(), platform)
    if found is None:
        return None
    for place, opened in enumerate(source.sources):
        if opened.forward_only and source.parts[place].platform == found:
            return lambda key: key in source.read_of(place)
        images = () if opened.forward_only else _images(opened)
        for image in images:
            if (source.parts[place].platform or image.platform) == found:
                return frozenset(image.layers).__contains__
    return None


def platform_for(stated: Sequence[Platform], wanted: Platform) -> Platform | None:
    """The platform among these that a machine of the platform `wanted` runs: the same one, or else an older one."""
    same = (each for each in stated if each.means(wanted))
    return next(same, None) or next((each for each in stated if each.serves(wanted)), None)


def stamp(source: OpenParts) -> Stamped:
    """Stamp the images of all parts. Every layer has been read: only then a source that is read forward knows its config."""
    given = [
        (part, image)
        for part, opened in zip(source.parts, source.sources, strict=True)
        for image in _images(opened)
    ]
    images = [part.stamp.image(image) for part, image in given]
    original = _original(source, given, images)
    if not source.makes_index:
        return Stamped((images[0],), original=original)
    first_part, first_image = given[0]
    made_from = dict.fromkeys(image.annotations[SOURCE] for image in images if SOURCE in image.annotations)
    whole = {SOURCE: " ".join(made_from)} if made_from else {}
    own = {
        key: value
        for opened in source.sources
        if isinstance(opened, OpenedIndex)
        for key, value in opened.annotations.items()
    }
    return Stamped(
        tuple(
            image if part.platform else _member(image) for (part, _), image in zip(given, images, strict=True)
        ),
        {**own, **whole, **first_part.stamp.index(first_image, "index")},
        first_part.stamp.index(first_image, "index-descriptor"),
        original,
    )


# docs/decisions.md#what-is-not-stamped-keeps-its-digest
def _original(
    source: OpenParts, given: Sequence[tuple[Part, Image]], stamped: Sequence[Image]
) -> Original | None:
    opened = source.sources[0]
    if not isinstance(opened, KeepsOriginal):
        return None
    changed = (part.stamp.changes(own, image) for (part, own), image in zip(given, stamped, strict=True))
    return None if any(changed) else opened.original()


@contextlib.contextmanager
def open_parts(parts: Sequence[Part]) -> Iterator[OpenParts]:
    """Open the source of each part. What a source raises when it is read or closed passes through."""
    with contextlib.ExitStack() as scope:
        yield OpenParts(parts, [scope.enter_context(part.open()) for part in parts])


def _images(source: Opened) -> Sequence[Image]:
    return source.images() if isinstance(source, OpenedIndex) else (source.image(),)


def _member(image: Image) -> Image:
    """An image of an index is not the whole of what its store path gives: a later run must not take it for that."""
    annotations = {key: value for key, value in image.annotations.items() if key != SOURCE}
    return replace(image, annotations=annotations)
