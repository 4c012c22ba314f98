"""A published image spares the build where all destinations report the same one, and where it is what would be built."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

import pytest

from flakeship.commands.publish.reuse import (
    ExistingImages,
    ExistingSource,
    LayerGoneError,
    ReuseRequest,
    existing_at,
    existing_source,
)
from flakeship.destinations.protocol import Destination
from flakeship.destinations.withheld import Withheld
from flakeship.errors import BuildError
from flakeship.events import Detail, Event, Notice
from flakeship.image.annotations import (
    DERIVATION,
    LAYER_KEY,
    NAMES,
    PROGRAM,
    RECIPE_OF,
    SOURCE,
    UNSTAMP,
)
from flakeship.image.compress import Compression
from flakeship.image.document import decode_object
from flakeship.image.existing import ExistingImage, ExistingLayer
from flakeship.image.media_types import OCI
from flakeship.image.model import Digest, digest_of
from flakeship.image.stream import Reader
from flakeship.nix.derivation import Derivation
from flakeship.settings.declaration import Settings
from flakeship.stores.temporary import TemporaryStore
from tests.images import random_packed

PACKED: Final = random_packed(61, size=100)
CONFIG: Final = decode_object(PACKED.config)
PATH: Final = f"/nix/store/{'a' * 32}-hello-2.12"
DOC: Final = f"/nix/store/{'b' * 32}-hello-2.12-doc"
HERE: Final = "ghcr.io/owner/name"
THERE: Final = "quay.io/owner/name"
RECIPE: Final = "1/gzip/2"


def layers(where: str = HERE) -> tuple[ExistingLayer, ...]:
    return tuple(
        ExistingLayer(layer.diff_id, layer.descriptor.digest, layer.descriptor.size, "+gzip", "", where)
        for layer in PACKED.layers
    )


def published(where: str = HERE, **annotations: str | None) -> ExistingImage:
    """One that is what would be built; an annotation that is given as None is left out."""
    said = {RECIPE_OF: RECIPE, SOURCE: PATH, DERIVATION: "/nix/store/x.drv", UNSTAMP: '{"author":"me"}'}
    given = {
        {"source": SOURCE, "recipe": RECIPE_OF, "program": PROGRAM, "names": NAMES}.get(
            key, f"dev.flakeship.{key}"
        ): value
        for key, value in annotations.items()
    }
    kept = {key: value for key, value in {**said, **given}.items() if value is not None}
    return ExistingImage(where, kept, CONFIG, layers(where), PACKED.config_descriptor, intact=True)


def hello(*paths: str, main: str = "hello") -> Derivation:
    outputs = {f"out{number}": path for number, path in enumerate(paths or (PATH,))}
    return Derivation("hello-2.12", "hello", "2.12", "x86_64-linux", outputs, main, "", "", ())


class Searched:
    """What is found, what was told, and how often Nix was asked."""

    def __init__(self, folder: Path, *places: Sequence[ExistingImage] | None) -> None:
        self.known = ExistingImages(places)
        self.store = self.known.store(Compression(), OCI, TemporaryStore(folder))
        self.told: list[Event] = []
        self.asked = 0

    def find(
        self, described: Callable[[], Derivation] = hello, *, keeping: tuple[str, ...] = ()
    ) -> ExistingSource | None:
        def describe() -> Derivation:
            self.asked += 1
            return described()

        return existing_source(
            describe,
            self.known,
            self.store,
            recipe=RECIPE,
            keeping_own_name=keeping,
            emit=self.told.append,
        )


def test_what_would_be_built_is_found(tmp_path: Path) -> None:
    stale = published(source=DOC)
    source = Searched(tmp_path, [stale, published(names="hello:1 hello:2")]).find()
    assert source
    assert source.path == Path(PATH)
    assert source.derivation == "/nix/store/x.drv"
    assert not source.forward_only
    assert [layer.diff_id for layer in source.layers()] == [layer.diff_id for layer in PACKED.layers]
    assert source.blobs == layers()
    with source.opened() as opened:
        image = opened.image()
    assert image.config["author"] == "me", "as it was before it was stamped"
    assert image.names == ("hello:1", "hello:2")
    assert not image.annotations
    for layer in source.layers():
        with pytest.raises(LayerGoneError):
            layer.open()


def test_an_image_with_two_blobs_of_one_tar_is_built(tmp_path: Path) -> None:
    first, *others = layers()
    twin = replace(first, digest=digest_of(b"the same tar, compressed otherwise"))
    assert Searched(tmp_path, [replace(published(), layers=(first, twin, *others[1:]))]).find() is None


def test_a_layer_keeps_its_key(tmp_path: Path) -> None:
    keyed = replace(published(), layers=(replace(layers()[0], key="paths:1"), *layers()[1:]))
    source = Searched(tmp_path, [keyed]).find()
    assert source
    assert [dict(layer.annotations) for layer in source.layers()] == [{LAYER_KEY: "paths:1"}, {}, {}]


BROKEN: Final = replace(published(), config={**CONFIG, "rootfs": {"diff_ids": ["no digest"] * 3}})
FOREIGN: Final = replace(published(), layers=(None, *layers()[1:]))


@pytest.mark.parametrize(
    "image",
    [
        replace(published(), intact=False),
        published(recipe="1/gzip/1"),
        published(recipe=None),
        published(source=DOC),
        published(source=f"{PATH} {DOC}"),
        published(source=None),
        published(program="- hello"),
        published(unstamp=None),
        published(unstamp="{"),
        FOREIGN,
        BROKEN,
    ],
)
def test_what_may_be_something_else_is_built(tmp_path: Path, image: ExistingImage) -> None:
    assert Searched(tmp_path, [image]).find() is None


def test_a_program_is_the_one_that_its_package_would_name_now(tmp_path: Path) -> None:
    chosen = published(program="hello hello")
    assert Searched(tmp_path, [chosen]).find()
    assert Searched(tmp_path, [chosen]).find(lambda: hello(main="other")) is None
    source = Searched(tmp_path, [chosen]).find()
    assert source
    assert source.image().annotations == {PROGRAM: "hello hello"}


def test_each_output_that_is_asked_for_is_in_it(tmp_path: Path) -> None:
    both = published(source=f"{PATH} {DOC}")
    assert Searched(tmp_path, [both]).find(lambda: hello(PATH, DOC))
    assert Searched(tmp_path, [published()]).find(lambda: hello(PATH, DOC)) is None


def test_nix_is_asked_where_an_image_may_be_the_one(tmp_path: Path) -> None:
    for image, times in ((published(), 1), (published(recipe="old"), 0), (published(source=None), 0)):
        searched = Searched(tmp_path, [image])
        searched.find()
        assert searched.asked == times
    assert Searched(tmp_path).find() is None


def test_a_path_that_only_a_build_tells_is_built_and_said_so(tmp_path: Path) -> None:
    searched = Searched(tmp_path, [published()])
    assert searched.find(lambda: hello("")) is None
    (notice,) = searched.told
    assert isinstance(notice, Notice)
    assert "only a build can tell" in notice.text


def test_what_can_not_be_evaluated_is_left_to_the_build(tmp_path: Path) -> None:
    def fail() -> Derivation:
        raise BuildError("no")

    searched = Searched(tmp_path, [published()])
    assert searched.find(fail) is None
    assert not searched.told


def of_another_config(image: ExistingImage) -> ExistingImage:
    return replace(image, config={**CONFIG, "config": {"Cmd": ["/bin/evil"]}})


def with_a_key(image: ExistingImage) -> ExistingImage:
    first, *others = filter(None, image.layers)
    return replace(image, layers=(replace(first, key="forged"), *others))


def with_another_layer(image: ExistingImage) -> ExistingImage:
    first, *others = filter(None, image.layers)
    foreign = Digest(f"sha256:{'f' * 64}")
    return replace(image, layers=(replace(first, diff_id=foreign), *others))


@pytest.mark.parametrize(
    "forge",
    [
        of_another_config,
        with_a_key,
        with_another_layer,
        lambda image: replace(image, intact=False),
        lambda image: replace(image, annotations={**image.annotations, DERIVATION: "/nix/store/y.drv"}),
        lambda image: replace(image, annotations={**image.annotations, SOURCE: DOC}),
        lambda image: replace(image, annotations={**image.annotations, RECIPE_OF: "2/gzip/2"}),
        lambda image: replace(image, annotations={**image.annotations, PROGRAM: "hello hello"}),
    ],
)
def test_one_destination_does_not_decide_what_another_gets(
    tmp_path: Path, forge: Callable[[ExistingImage], ExistingImage]
) -> None:
    """Whoever may write to one of them can forge an image there, with its seal."""
    honest, forged = published(), forge(published(THERE))
    for places in ([[honest], [forged]], [[forged], [honest]]):
        assert Searched(tmp_path, *places).find() is None
    assert Searched(tmp_path, [honest], [forged, published(THERE)]).find()


def test_every_destination_that_is_sent_something_has_it(tmp_path: Path) -> None:
    assert Searched(tmp_path, [published()], [published(THERE)]).find()
    assert Searched(tmp_path, [published()], []).find() is None
    assert Searched(tmp_path, [published()], None).find(), "nothing is sent there"
    assert Searched(tmp_path, None).find() is None


def test_a_blob_that_is_gone_is_built(tmp_path: Path) -> None:
    searched = Searched(tmp_path, [published()])
    searched.store.forget({PACKED.layers[1].descriptor.digest})
    assert searched.find() is None


def test_where_an_image_keeps_its_own_name_it_is_one_of_there(tmp_path: Path) -> None:
    """Another destination may report an image of the same bytes that has another name."""
    both = Searched(tmp_path, [published()], [published(THERE)])
    for where in (HERE, THERE):
        source = both.find(keeping=(where,))
        assert source
        assert {blob.where for blob in source.blobs} == {where}
    assert both.find(keeping=(HERE, THERE)) is None
    assert both.find(keeping=("oci:folder",)) is None


# The inputs


@pytest.mark.parametrize(
    ("inputs", "may"),
    [
        ({}, True),
        ({"reuse": "verify"}, False),
        ({"reuse": "off"}, False),
        ({"rebuild": "always"}, False),
        ({"rebuild": "compare"}, False),
        ({"platforms": ("linux/arm64",)}, True),
        ({"platforms": ("linux/arm64", "linux/amd64")}, False),
    ],
)
def test_a_build_that_is_asked_for_is_not_spared(inputs: dict[str, Any], may: bool) -> None:
    assert ReuseRequest.of(Settings(**inputs)).may_skip_build == may


def test_inputs_that_shape_layers_give_another_recipe() -> None:
    plain, one, same, other = (
        ReuseRequest.of(Settings(platforms=platforms)).recipe(Compression())
        for platforms in ((), ("linux/arm64",), ("linux/arm64/v8",), ("linux/amd64",))
    )
    assert plain.endswith("/gzip/2")
    assert one == same
    assert len({plain, one, other}) == 3
    assert one.startswith(f"{plain}/")
    assert ReuseRequest.of(Settings()).recipe(Compression("zstd", 5)).endswith("/zstd/5")


# What is there


class Remembering(Withheld):
    def __init__(self, name: str, images: Sequence[ExistingImage] | None) -> None:
        super().__init__(name)
        self.images = images
        self.opened: list[str] = []

    def existing(self) -> Sequence[ExistingImage] | None:
        return self.images

    @contextlib.contextmanager
    def open_blob(self, layer: ExistingLayer) -> Iterator[Reader]:
        self.opened.append(layer.where)
        yield io.BytesIO(b"it")


class Archive:
    """A destination that remembers nothing."""

    name = "archive"


def asked(mode: str, *places: Any) -> tuple[ExistingImages, list[Event]]:
    told: list[Event] = []
    return existing_at(cast("Sequence[Destination]", places), mode, told.append), told


def test_every_destination_is_asked_what_it_has() -> None:
    first, second = Remembering(HERE, [published()]), Remembering(THERE, [published(THERE)])
    known, told = asked("trust", Archive(), Withheld("withheld"), first, second)
    assert known.by_place == ((), None, first.images, second.images)
    assert known.open_blob is None
    assert [event.text for event in told if isinstance(event, Detail)] == [
        "2 published images to reuse layers of"
    ]
    with known.open(layers(THERE)[0]) as blob:
        assert blob.read(9) == b"it"
    assert (first.opened, second.opened) == ([], [THERE])
    assert list(known.images()) == [published(), published(THERE)]


def test_a_blob_is_compared_where_there_are_images() -> None:
    empty, full = Remembering(THERE, []), Remembering(HERE, [published()])
    known, _ = asked("verify", empty, full)
    assert known.open_blob
    with known.open_blob(layers()[0]):
        assert full.opened == [HERE]
    assert asked("verify", empty)[0].open_blob is None


def test_nobody_is_asked_where_nothing_is_used_again() -> None:
    known, told = asked("off", Remembering(HERE, [published()]))
    assert (known.by_place, told) == ((), [])


def test_a_closure_is_split_as_the_image_that_tells_how() -> None:
    history = {"history": [{"comment": f"{PATH} {DOC}"}, {}, "text", {"comment": DOC}]}
    told = replace(published(), config={**CONFIG, **history})
    keyed = replace(told, layers=(replace(layers()[0], key="paths:1"), *layers()[1:]))
    expected = (frozenset({PATH, DOC}), frozenset({DOC}))
    assert ExistingImages(([told], None, [published(), keyed])).groups() == expected
    assert ExistingImages(([told],)).groups() == ()
    unknown = replace(keyed, config={**CONFIG, "history": [{"comment": "by hand"}]})
    assert ExistingImages(([replace(keyed, config={"history": 7}), unknown],)).groups() == ()
