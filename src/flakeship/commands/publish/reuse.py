"""Find what need not be made again: layers that every destination has, and an image of the same output path."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flakeship import events
from flakeship.commands.nix_facts import Describe, names_of
from flakeship.destinations.protocol import Destination, Remembers
from flakeship.errors import Error
from flakeship.image.annotations import DERIVATION, LAYER_KEY, NAMES, PROGRAM, RECIPE_OF, SOURCE
from flakeship.image.claims import image_of
from flakeship.image.compress import RECIPE, Compression
from flakeship.image.document import encode
from flakeship.image.existing import ExistingImage, ExistingLayer
from flakeship.image.media_types import Family
from flakeship.image.model import Image, Layer, Platform, SourceGoneError, digest_of
from flakeship.image.pack import LayerStore
from flakeship.image.stream import Reader
from flakeship.settings.declaration import Settings
from flakeship.sources.opened import Opened
from flakeship.store_paths import store_paths_in
from flakeship.stores.existing import ExistingStore, OpenExistingLayer

Known = Sequence[ExistingImage] | None


class LayerGoneError(SourceGoneError):
    """A layer of an existing image, which would spare the build, is not at its destination any more."""


@dataclass(frozen=True, slots=True)
class ExistingImages:
    """The images that each destination held before this run; None for a destination that needs no bytes."""

    by_place: tuple[Known, ...]
    open_blob: OpenExistingLayer | None = None
    """Opens a blob of the first destination that has images, to compare it; None with `reuse: trust`."""
    openers: Mapping[str, OpenExistingLayer] = field(default_factory=dict)
    """To read a blob, by what holds it (`ExistingLayer.where`)."""

    def open(self, layer: ExistingLayer) -> contextlib.AbstractContextManager[Reader]:
        """Open the blob of a layer that one of the images lists."""
        return self.openers[layer.where](layer)

    def store(self, compression: Compression, family: Family, behind: LayerStore) -> ExistingStore:
        """Return the store that finds what every destination has, and asks `behind` for the others."""
        return ExistingStore(
            self.by_place, suffix=compression.suffix, family=family, behind=behind, open_blob=self.open_blob
        )

    def groups(self, platform: Platform | None = None) -> tuple[frozenset[str], ...]:
        """Return the store paths of each layer, of the first image that records them: a closure is split alike then.

        With `platform` only images for that one are looked at.
        """
        for image in self.images():
            if platform and not image.platform.means(platform):
                continue
            history = image.config.get("history")
            said = (
                [str(entry.get("comment", "")) for entry in history if isinstance(entry, dict)]
                if isinstance(history, list)
                else []
            )
            groups = tuple(frozenset(store_paths_in(text)) for text in said)
            if any(layer and layer.key for layer in image.layers) and any(groups):
                return tuple(filter(None, groups))
        return ()

    def images(self) -> Iterator[ExistingImage]:
        """Yield the images of all destinations."""
        for images in self.by_place:
            yield from images or ()


@dataclass(frozen=True, slots=True)
class ReuseRequest:
    """The inputs about what need not be made again.

    `mode` is trust, verify or off. `shaping` are the inputs that shape the layers, by their names. `platform` is the one
    that is built for, empty where that is not said. `unchecked` is True where no program is compared with it: a run that
    compares them builds what such a run has published.
    """

    mode: str
    asks_for_build: bool
    shaping: Mapping[str, Any]
    platform: str = ""
    unchecked: bool = False

    @property
    def may_skip_build(self) -> bool:
        """False where a build is asked for, or where an input makes that the same output path may give other layers."""
        shaped = bool(self.shaping.keys() - {"platforms"} if self.platform else self.shaping)
        return self.mode == "trust" and not self.asks_for_build and not shaped

    @property
    def shape(self) -> str:
        """A digest of the inputs that shape layers; empty without any."""
        shaping = {**self.shaping, "platforms": [self.platform]} if self.platform else dict(self.shaping)
        if self.platform and self.unchecked:
            shaping["lint"] = "off"
        return digest_of(encode(shaping))[7:23] if shaping else ""

    def for_platform(self, platform: Platform) -> ReuseRequest:
        """The same for what is built for this platform alone: of `platforms`, the others are no matter then."""
        # docs/decisions.md#each-platform-has-its-own-output-path
        return replace(self, platform=str(platform.shortest))

    @classmethod
    def of(cls, settings: Settings) -> ReuseRequest:
        """Read the inputs."""
        shaping, platform = settings.given("shapes-layers"), ""
        if (
            settings.platforms
        ):  # one platform has several names, and each gives the same layers, in whatever order
            from flakeship.commands.platforms import platforms_of

            wanted = platforms_of(settings.platforms)
            shaping["platforms"] = sorted(
                replace(each.shortest, os_version=each.os_version).with_version for each in wanted
            )
            if len(wanted) == 1:  # then one image is all that comes of the output path
                (platform,) = shaping["platforms"]
        # the variant that `debug` asks for is made of the package, which is built for both
        asks_for_build = settings.rebuild != "auto" or settings.debug
        return cls(settings.reuse, asks_for_build, shaping, platform, unchecked=settings.lint == "off")

    def recipe(self, compression: Compression) -> str:
        """Return an identifier of how layers are packed and which inputs shaped them.

        With it an image that was made without these inputs is never taken for the same.
        """
        # docs/decisions.md#inputs-that-shape-layers-mark-the-recipe
        mark = f"/{self.shape}" if self.shape else ""
        return f"{RECIPE}/{compression.algorithm}/{compression.level}{mark}"


def existing_at(places: Sequence[Destination], mode: str, emit: events.Emit) -> ExistingImages:
    """Ask every destination what it holds, unless nothing is to be used again."""
    if mode == "off":
        return ExistingImages(())
    # docs/decisions.md#the-registry-is-the-memory
    known = tuple(place.existing() if isinstance(place, Remembers) else () for place in places)
    emit(events.Detail(f"{sum(len(images or ()) for images in known)} published images to reuse layers of"))
    openers = {
        image.where: place.open_blob
        for place, images in zip(places, known, strict=True)
        if isinstance(place, Remembers)
        for image in images or ()
    }
    if mode == "trust":
        return ExistingImages(known, None, openers)
    tellers = [
        place for place, images in zip(places, known, strict=True) if images and isinstance(place, Remembers)
    ]
    return ExistingImages(known, tellers[0].open_blob if tellers else None, openers)


def existing_source(
    describe: Describe,
    known: ExistingImages,
    store: ExistingStore,
    *,
    recipe: str,
    keeping_own_name: Collection[str],
    platform: Platform | None = None,
    emit: events.Emit = events.ignore,
) -> ExistingSource | None:
    """Find the published image that a build would make again, by evaluation alone; None if no such image is published.

    It was made from exactly the outputs that are asked for, and its program was chosen by the names that the package
    has now. With `platform` it is for that one.

    It needs an intact seal, the config as it was before it was stamped, and all layers at every destination. All
    destinations must report the same image, so that write access to one of them can't decide what is published to
    another. Destinations in `keeping_own_name` use the image's own name; for them only an image found there is accepted.
    """
    made = [
        image
        for image in known.images()
        if image.intact
        and image.annotations.get(RECIPE_OF) == recipe
        and (platform is None or image.platform.means(platform))
        and all(place == image.where for place in keeping_own_name)
    ]
    paths = {image.annotations.get(SOURCE, "") for image in made} - {""}
    if not paths:
        return None
    try:
        described = describe()
    except Error:  # the build will say what is wrong, and better
        return None
    if not described.paths:
        emit(
            events.Notice(
                "the image is built even if it is published: only a build can tell the store path of what is "
                "content-addressed or impure"
            )
        )
        return None
    # docs/decisions.md#the-source-annotation-names-every-output
    wanted = " ".join(described.paths)
    program = names_of(described, described.out_path).written
    candidates = (
        ExistingSource.of(image)
        for image in made
        if image.annotations.get(SOURCE) == wanted
        and image.annotations.get(PROGRAM, program) == program
        and _everywhere(image, known)
    )
    return next((source for source in candidates if source and source.complete(store)), None)


def _everywhere(image: ExistingImage, known: ExistingImages) -> bool:
    """Return True if each destination reports an image of the same origin, config and layers."""
    return all(
        any(_reported(other) == _reported(image) for other in images)
        for images in known.by_place
        if images is not None
    )


def _reported(image: ExistingImage) -> tuple[Any, ...]:
    marks = (image.annotations.get(name) for name in (SOURCE, DERIVATION, RECIPE_OF, PROGRAM))
    layers = ((layer.diff_id, layer.key) for layer in image.layers if layer)
    return image.intact, *marks, image.unstamped_config, *layers


@dataclass(slots=True)
class ExistingSource:
    """A published image as a source: none of its layers can be opened, for none is to be read."""

    path: Path
    base: Image
    known: tuple[Layer, ...]
    annotations: Mapping[str, str]
    blobs: tuple[ExistingLayer, ...] = ()
    forward_only: bool = False

    @classmethod
    def of(cls, image: ExistingImage) -> ExistingSource | None:
        """Return the image as it was before it was stamped; None where that is not on record.

        None also where two of its blobs hold one tar: by its diff_id the first would be listed twice.
        """
        config = image.unstamped_config
        if config is None or not all(image.layers):
            return None
        layers = [layer for layer in image.layers if layer]
        if len({layer.diff_id for layer in layers}) < len({layer.digest for layer in layers}):
            return None
        path = image.annotations[SOURCE].partition(" ")[0]
        try:
            base = image_of(
                config,
                len(layers),
                what=f"the published config of {path}",
                names=image.annotations.get(NAMES, "").split(),
            )
        except Error:
            return None
        base = replace(
            base, annotations={key: value for key, value in image.annotations.items() if key == PROGRAM}
        )
        known = {
            layer.diff_id: Layer(
                layer.diff_id,
                _gone,
                layer.diff_id,
                annotations={LAYER_KEY: layer.key} if layer.key else {},
            )
            for layer in layers
        }
        return cls(Path(path), base, tuple(known.values()), image.annotations, tuple(layers))

    @property
    def derivation(self) -> str:
        """The path of the derivation that it was built from; empty where that is not recorded."""
        return self.annotations.get(DERIVATION, "")

    def complete(self, store: ExistingStore) -> bool:
        """Return True if every destination has every layer."""
        return all(store.find(layer) for layer in self.known)

    def layers(self) -> Iterator[Layer]:
        """Yield each layer once; opening one raises LayerGoneError."""
        return iter(self.known)

    def image(self) -> Image:
        """Return the image as its source made it."""
        return self.base

    @contextlib.contextmanager
    def opened(self) -> Iterator[Opened]:
        """Open it as other sources are opened: there is nothing to open."""
        yield self


def _gone() -> Reader:
    raise LayerGoneError("a layer of the published image is gone")
