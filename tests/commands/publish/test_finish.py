"""What a destination turns out not to have is read once more, by itself, and sent without asking."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from flakeship.commands.publish.finish import finish
from flakeship.commands.publish.lint import Lint
from flakeship.commands.publish.look import Plan
from flakeship.commands.publish.parts import Obtained, Part, open_parts, stamp
from flakeship.commands.publish.reuse import ExistingImages
from flakeship.commands.publish.send import pack_and_send
from flakeship.commands.publish.stamping import Stamp
from flakeship.commands.tag_record import TagRecord
from flakeship.destinations.protocol import BlobsUnknownError, DeliveredBlob, Prepared
from flakeship.destinations.withheld import Withheld
from flakeship.errors import UnreachableError
from flakeship.events import Event, LayerProgress
from flakeship.image.compress import Compression
from flakeship.image.existing import ExistingImage, ExistingLayer, existing_image
from flakeship.image.media_types import OCI
from flakeship.image.model import Digest, Image, Layer, Packed, PackedLayer
from flakeship.image.pack import Packing
from flakeship.image.stream import Reader
from flakeship.image.zstd_estimate import ZstdSample
from flakeship.metadata.context import NixFacts
from flakeship.sources import opened
from flakeship.sources.opened import SourceRequest
from flakeship.stores.existing import ExistingStore, OpenExistingLayer
from flakeship.stores.temporary import TemporaryStore
from tests.image.making import made
from tests.testbed import archives


class Registry(Withheld):
    """Holds blobs, and may have lost some that it still says it has."""

    def __init__(self, holds: set[Digest], lost: set[Digest], *, tells: str) -> None:
        super().__init__("registry")
        self.holds, self.lost, self.tells = holds, lost, tells
        self.sent: list[Digest] = []

    def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
        digest = layer.descriptor.digest
        gone = digest in self.lost and (self.tells == "at once" or not certain)
        if gone or digest not in self.holds:
            if layer.open is None:
                raise BlobsUnknownError(frozenset({digest}))
            self.sent.append(digest)
            self.holds.add(digest)
            if self.tells != "never":
                self.lost.discard(digest)
        return super().take(layer, certain=certain)

    def prepare(self, packed: Packed, *, alone: bool = False) -> Prepared:
        if gone := self.lost & {layer.descriptor.digest for layer in packed.layers}:
            raise BlobsUnknownError(frozenset(gone))
        return super().prepare(packed, alone=alone)


@pytest.fixture(params=["layered.tar", "layered.tar.gz"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    archives.write_all(tmp_path / "archives")
    return tmp_path / "archives" / str(request.param)


def published(packed: Packed) -> ExistingImage:
    from flakeship.image.document import decode_object

    return existing_image("registry", decode_object(packed.manifest), decode_object(packed.config))


class Unstamped(Stamp):
    """Leaves an image as its source made it."""

    def image(self, source: Image) -> Image:
        return source


@dataclass(frozen=True)
class Shipment:
    """What is published, where, and how."""

    part: Part
    plan: Plan

    def ship(self) -> Packed:
        """Steps three to five."""
        with open_parts([self.part]) as source:
            sent = pack_and_send(source, self.plan)
            stamped = stamp(source)
        packed = finish(stamped, sent, [self.part], self.plan).packed
        assert isinstance(packed, Packed)
        return packed


def shipment(
    archive: Path,
    folder: Path,
    place: Registry,
    images: Sequence[ExistingImage],
    told: list[Event],
    *,
    open_blob: OpenExistingLayer | None = None,
    sample: ZstdSample | None = None,
) -> Shipment:
    store = ExistingStore(
        [images], suffix="+gzip", family=OCI, behind=TemporaryStore(folder), open_blob=open_blob
    )
    unstamped: Any = Unstamped(
        naming=cast("Any", None), facts=NixFacts, moment=None, change=lambda image: image, origin={}
    )
    request = SourceRequest(emit=told.append)
    plan = Plan(
        naming=cast(
            "Any",
            SimpleNamespace(
                references=(), evaluation=SimpleNamespace(annotations_at_levels=(), annotation_pairs={})
            ),
        ),
        places=(place,),
        pushed_to=frozenset(),
        keeping_own_name=(),
        existing=ExistingImages(()),
        store=store,
        packing=Packing(Compression(), OCI, store, 2, told.append, sample=sample),
        recipe="",
        uploads=2,
        temporary=folder,
        lint=Lint("off", told.append),
        tags=TagRecord(),
        relabelled=False,
        scope=contextlib.ExitStack(),
    )
    return Shipment(Part(Obtained(archive), partial(opened, archive, request), unstamped), plan)


def read(told: list[Event]) -> list[str]:
    return [event.name for event in told if isinstance(event, LayerProgress) and event.state == "reading"]


def test_what_is_published_is_neither_read_nor_sent(archive: Path, tmp_path: Path) -> None:
    packed = made(archive, tmp_path / "first")
    told: list[Event] = []
    place = Registry({layer.descriptor.digest for layer in packed.layers}, set(), tells="at once")
    again = shipment(archive, tmp_path, place, [published(packed)], told).ship()
    assert again.descriptor == packed.descriptor
    assert read(told) == place.sent == []


def test_what_zstd_would_make_is_told_of_layers_that_were_packed(archive: Path, tmp_path: Path) -> None:
    sample = ZstdSample(least=1, per_byte=1 << 32, at_most=1 << 32)
    packed = shipment(
        archive, tmp_path, Registry(set(), set(), tells="at once"), [], [], sample=sample
    ).ship()
    told = sample.estimate()
    assert told
    assert told.gzip == pytest.approx(sum(layer.descriptor.size for layer in packed.layers), abs=100)
    place = Registry({layer.descriptor.digest for layer in packed.layers}, set(), tells="at once")
    unused = ZstdSample(least=1, per_byte=1 << 32, at_most=1 << 32)
    shipment(archive, tmp_path, place, [published(packed)], [], sample=unused).ship()
    assert unused.estimate() is None


@pytest.mark.parametrize("tells", ["at once", "with the manifest"])
def test_a_lost_blob_is_made_again_and_alone(archive: Path, tmp_path: Path, tells: str) -> None:
    packed = made(archive, tmp_path / "first")
    lost = packed.layers[1]
    told: list[Event] = []
    place = Registry(
        {layer.descriptor.digest for layer in packed.layers}, {lost.descriptor.digest}, tells=tells
    )
    again = shipment(archive, tmp_path, place, [published(packed)], told).ship()
    assert again.descriptor == packed.descriptor
    assert read(told) == [lost.name]
    assert place.sent == [lost.descriptor.digest]


def test_a_registry_that_loses_what_it_is_sent_is_an_error(archive: Path, tmp_path: Path) -> None:
    packed = made(archive, tmp_path / "first")
    place = Registry(set(), {packed.layers[0].descriptor.digest}, tells="never")
    with pytest.raises(UnreachableError, match="just written"):
        shipment(archive, tmp_path, place, [], []).ship()


def test_a_blob_is_one_layer_of_one_size(archive: Path, tmp_path: Path) -> None:
    """What is published says otherwise of the blob that another layer turns out to be."""
    packed = made(archive, tmp_path / "first")
    honest = published(packed)
    first, second, _ = (layer for layer in honest.layers if layer)
    liar = replace(honest, layers=(replace(second, digest=first.digest, size=first.size + 5),))
    place = Registry({first.digest}, set(), tells="at once")
    again = shipment(archive, tmp_path, place, [liar], []).ship()
    assert again.descriptor == packed.descriptor


def test_a_name_in_a_stream_is_not_its_diff_id_because_it_is_published(tmp_path: Path) -> None:
    archives.write_all(tmp_path / "archives")
    archive = tmp_path / "archives/docker-image-shapes.tar.gz"  # buildImage's names are of another hash
    packed = made(archive, tmp_path / "first")
    honest = published(packed)
    named = [Digest(f"sha256:{layer.name.partition('/')[0]}") for layer in packed.layers]
    liar = replace(
        honest,
        layers=tuple(
            replace(layer, diff_id=name) for layer, name in zip(honest.layers, named, strict=True) if layer
        ),
    )
    place = Registry({layer.descriptor.digest for layer in packed.layers}, set(), tells="at once")
    told: list[Event] = []
    again = shipment(archive, tmp_path, place, [liar], told).ship()
    assert again.descriptor == packed.descriptor
    assert len(read(told)) == len(named)


def test_with_verify_a_lie_is_found_out_and_the_layer_made_here(tmp_path: Path) -> None:
    archives.write_all(tmp_path / "archives")
    archive = tmp_path / "archives/layered.tar"
    packed = made(archive, tmp_path / "first")
    honest = published(packed)
    first, second, third = (layer for layer in honest.layers if layer)
    lying = replace(honest, layers=(replace(first, digest=second.digest, size=second.size), second, third))
    blobs = {layer.descriptor.digest: layer.open for layer in packed.layers}
    looked_at: list[Digest] = []

    @contextlib.contextmanager
    def open_blob(layer: ExistingLayer) -> Iterator[Reader]:
        looked_at.append(layer.digest)
        opener = blobs[layer.digest]
        assert opener
        with opener() as reader:
            yield reader

    told: list[Event] = []
    place = Registry({second.digest, third.digest}, set(), tells="at once")
    again = shipment(archive, tmp_path, place, [lying], told, open_blob=open_blob).ship()
    assert again.descriptor == packed.descriptor
    assert place.sent == [first.digest]
    assert sorted(looked_at) == sorted([second.digest, second.digest, third.digest])


@pytest.mark.parametrize(("algorithm", "compressed"), [("gzip", True), ("none", False)])
def test_room_is_asked_for_what_is_made_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, algorithm: Any, compressed: bool
) -> None:
    archives.write_all(tmp_path / "archives")
    archive = tmp_path / "archives/layered.tar"
    packed = made(archive, tmp_path / "first")
    honest = published(packed)
    known = replace(honest, layers=(None, *honest.layers[1:]))
    asked: list[tuple[list[Digest | None], Path, bool]] = []

    def check(layers: Iterator[Layer], *, temporary: Path, compressed: bool) -> None:
        asked.append(([layer.diff_id for layer in layers], temporary, compressed))

    monkeypatch.setattr("flakeship.commands.publish.send.check_fits", check)
    place = Registry({layer.descriptor.digest for layer in packed.layers[1:]}, set(), tells="at once")
    it = shipment(archive, tmp_path, place, [known], [])
    packing = replace(it.plan.packing, compression=Compression(algorithm, 2 if compressed else 0))
    replace(it, plan=replace(it.plan, packing=packing)).ship()
    assert asked == [([packed.layers[0].diff_id], tmp_path, compressed)]


def test_no_room_is_asked_for_where_the_layers_are_not_known_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archives.write_all(tmp_path / "archives")
    monkeypatch.setattr("flakeship.commands.publish.send.check_fits", None)
    place = Registry(set(), set(), tells="at once")
    packed = shipment(tmp_path / "archives/layered.tar.gz", tmp_path, place, [], []).ship()
    assert len(packed.layers) == 3
