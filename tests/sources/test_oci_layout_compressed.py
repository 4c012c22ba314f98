"""An OCI image layout in a compressed tar: read like the plain one, and told from docker's own archives."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import zstandard

from flakeship import sources
from flakeship.errors import NotAnImageError, ResourceError
from flakeship.sources.opened import SourceRequest
from tests.image.making import made
from tests.sources.layouts import Layout

Compress: TypeAlias = Callable[[bytes], bytes]

pytestmark = pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    layout = Layout()
    return layout.listing(layout.image()).tar(tmp_path / "plain")


@pytest.fixture
def compressed(compress: Compress, plain: Path, tmp_path: Path) -> Path:
    (tmp_path / "compressed").write_bytes(compress(plain.read_bytes()))
    return tmp_path / "compressed"


def test_its_layers_stay_as_they_are(compressed: Path, plain: Path, tmp_path: Path) -> None:
    expected = [layer.descriptor for layer in made(plain, tmp_path / "one").layers]
    assert [layer.descriptor for layer in made(compressed, tmp_path / "two").layers] == expected


def test_nothing_of_it_is_left(compressed: Path, tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    with sources.opened(compressed, SourceRequest(folder=tmp_path / "private")) as source:
        assert source.image().layers
        assert list((tmp_path / "private").iterdir())
    assert not list((tmp_path / "private").iterdir())


def test_one_that_is_cut_off(compressed: Path, tmp_path: Path) -> None:
    compressed.write_bytes(compressed.read_bytes()[:-9])
    with pytest.raises(NotAnImageError, match="damaged"):
        made(compressed, tmp_path / "out")


def test_no_place_for_it(compressed: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(ResourceError, match="can't decompress") as caught,
        sources.opened(compressed, SourceRequest(folder=tmp_path / "nowhere")),
    ):
        pass
    assert "TMPDIR" in caught.value.hint


def test_what_docker_saves_is_dockers(compress: Compress, tmp_path: Path) -> None:
    layout = Layout()
    entry = [{"Config": "none.json", "Layers": []}]
    manifest = ("manifest.json", json.dumps(entry).encode())
    path = layout.listing(layout.image()).tar(tmp_path / "in", extra=[manifest])
    (tmp_path / "packed").write_bytes(compress(path.read_bytes()))
    with pytest.raises(NotAnImageError, match=r"no member 'none\.json', which its manifest\.json names"):
        made(tmp_path / "packed", tmp_path / "out")


@pytest.mark.parametrize("manifest", [b"[]", b"null", b"", b"{", b"[" * 100])
def test_what_docker_would_load_nothing_of_is_a_layout(
    compress: Compress, tmp_path: Path, manifest: bytes
) -> None:
    layout = Layout()
    layout.listing(layout.image())
    expected = [layer.descriptor for layer in made(layout.tar(tmp_path / "plain"), tmp_path / "one").layers]
    path = layout.tar(tmp_path / "in", extra=[("manifest.json", manifest)])
    (tmp_path / "packed").write_bytes(compress(path.read_bytes()))
    assert [layer.descriptor for layer in made(tmp_path / "packed", tmp_path / "two").layers] == expected
