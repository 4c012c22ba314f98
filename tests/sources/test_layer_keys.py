"""Equal keys mean equal tars, from whichever sources: dictionaries by key hold the layers of several sources in one run."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship import sources
from flakeship.commands.publish.send import send
from flakeship.destinations.oci_layout.destination import LayoutDestination
from flakeship.image.check import check_image
from flakeship.image.compress import Compression
from flakeship.image.document import decode_object
from flakeship.image.index import seal_index
from flakeship.image.layout import blob_path
from flakeship.image.media_types import OCI
from flakeship.image.model import Packed
from flakeship.image.pack import Packing, packed_layers, seal
from flakeship.image.stream import sha256_of
from flakeship.sources.closure import Closure
from flakeship.sources.opened import Opened, SourceRequest
from flakeship.sources.package import Package
from flakeship.stores.temporary import TemporaryStore
from tests.image.making import WRAPS
from tests.sources.layouts import Layout, layer_tar, sha256
from tests.sources.packages import Part, program
from tests.sources.store_trees import digest_of_tar, image_json, layer_json, plant
from tests.testbed.archive_shapes import Item, config_of, documents, packed

TEXTS: Final = ("one", "two", "three")
PATHS: Final = ("0/layer.tar", "1/layer.tar", f"{'a' * 64}.tar")
ARCHIVES: Final = tuple(WRAPS)
KINDS: Final = (*ARCHIVES, "script", "layout", "layout in a tar", "nix2container", "package")


def docker_archive(tars: Sequence[bytes], paths: Sequence[str]) -> bytes:
    """An archive with these layers as members of these names."""
    members = [Item(path, tar) for path, tar in zip(paths, tars, strict=True)]
    return packed([*members, *documents(config_of(tars), paths)])


def written(kind: str, texts: Sequence[str], paths: Sequence[str], folder: Path) -> Path:
    """The path of a source of this kind with a layer for each text."""
    folder.mkdir()
    match kind:
        case "layout":
            layout = Layout()
            return layout.listing(layout.image(*texts)).folder(folder)
        case "layout in a tar":
            layout = Layout()
            return layout.listing(layout.image(*texts, wrap=bytes)).tar(folder / "image.tar")
        case "nix2container":
            layers = [stated(text, folder.parent / "trees") for text in texts]
            (folder / "image.json").write_bytes(image_json(layers))
            return folder / "image.json"
        case "package":
            return program(folder / "bin/app", "".join(texts)).parent.parent
        case _:
            data = docker_archive([layer_tar(text) for text in texts], paths)
            (folder / "archive").write_bytes(WRAPS.get(kind, bytes)(data))
            return (
                folder / "archive"
                if kind in WRAPS
                else program(folder / "script", script(folder / "archive"))
            )


def stated(text: str, trees: Path) -> dict[str, Any]:
    """What nix2container would state of a layer of one store path."""
    tree = trees / text
    if not tree.exists():
        plant(tree, {"file": text.encode()})
    path = {"path": str(tree)}
    return layer_json(digest_of_tar(path, store=trees), path)


def script(archive: Path) -> str:
    return f"#!/bin/sh\nexec cat {archive}\n"


@contextlib.contextmanager
def opened(kind: str, path: Path) -> Iterator[Opened]:
    if kind == "package":
        hash_of = sha256((path / "bin/app").read_bytes())
        yield Closure(Package(path=str(path), system="x86_64-linux", closure=(Part(str(path), hash_of),)))
        return
    request = SourceRequest({"PATH": os.environ["PATH"]}, store=path.parent.parent / "trees")
    with sources.opened(path, request) as source:
        yield source


def tars(kind: str, path: Path) -> list[tuple[str, str]]:
    """The key of each layer, and the digest of the tar that the source gives under it."""
    found = []
    with opened(kind, path) as source:
        for layer in source.layers():
            with layer.open() as reader:
                found.append((layer.key, sha256_of(reader)[0]))
        assert set(source.image().layers) <= {key for key, _ in found}
    return found


LAYERS: Final = st.lists(
    st.tuples(st.sampled_from(TEXTS), st.sampled_from(PATHS)),
    min_size=1,
    max_size=3,
    unique_by=lambda it: it[1],
)


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from(KINDS), LAYERS), min_size=2, max_size=4))
def test_equal_keys_mean_equal_tars(several: list[tuple[str, list[tuple[str, str]]]]) -> None:
    by_key: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        for number, (kind, layers) in enumerate(several):
            texts, paths = zip(*layers, strict=True)
            path = written(kind, texts, paths, Path(name) / str(number))
            first = tars(kind, path)
            assert tars(kind, path) == first, "a source that is opened again"
            for key, digest in first:
                assert by_key.setdefault(key, digest) == digest


@pytest.mark.parametrize("wraps", list(itertools.product(ARCHIVES, repeat=2)), ids="-".join)
def test_two_archives_as_parts_of_one_index(tmp_path: Path, wraps: tuple[str, str]) -> None:
    """Their members have the same names and other contents; packed, delivered and sealed in one run."""
    contents = [[layer_tar(f"{part} {number}") for number in range(2)] for part in ("amd64", "arm64")]
    archives = [docker_archive(tars, PATHS[:2]) for tars in contents]
    destination = LayoutDestination(tmp_path / "layout", "1.0")
    destination.check()
    packing = Packing(Compression(), OCI, TemporaryStore(tmp_path), 2)
    with contextlib.ExitStack() as scope:
        parts = []
        for number, (wrap, data) in enumerate(zip(wraps, archives, strict=True)):
            path = tmp_path / f"archive-{number}"
            path.write_bytes(WRAPS[wrap](data))
            parts.append(scope.enter_context(sources.opened(path, SourceRequest())))
        layers = itertools.chain.from_iterable(part.layers() for part in parts)
        sent = send(packed_layers(layers, packing, forward_only=True), [destination], uploads=2)
        images = [seal(part.image(), sent.layers) for part in parts]
    destination.prepare_index(seal_index(images)).finish()
    for image, expected in zip(images, contents, strict=True):
        assert_in_layout(image, expected, tmp_path / "layout")


def assert_in_layout(image: Packed, expected: Sequence[bytes], layout: Path) -> None:
    check_image(image.descriptor, lambda digest: (layout / blob_path(digest)).open("rb"))
    manifest = decode_object((layout / blob_path(image.descriptor.digest)).read_bytes())
    blobs = [(layout / blob_path(layer["digest"])).read_bytes() for layer in manifest["layers"]]
    assert list(map(gzip.decompress, blobs)) == list(expected)
