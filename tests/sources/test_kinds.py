"""The kinds of source: what each module offers, and that another kind is added by a module and a line in SOURCES."""

from __future__ import annotations

import contextlib
import importlib
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from flakeship import sources
from flakeship.errors import NotAnImageError
from flakeship.image.model import Image, Layer, Platform
from flakeship.sources import (
    closure,
    docker_archive,
    nix2container,
    oci_layout,
    skopeo_folder,
    stream_script,
)
from flakeship.sources.opened import Opened, Source, SourceRequest
from tests.image.making import WRAPS
from tests.testbed.archive_shapes import SHAPES, Item, packed

ROOTFS = packed(
    [
        Item("./", kind=tarfile.DIRTYPE),
        Item("bin", kind=tarfile.SYMTYPE, link="usr/bin"),
        Item("etc/hostname", b"there\n"),
        Item("usr/bin/sh", b"\x7fELF" + bytes(600)),
    ]
)


KINDS: Final[tuple[Source, ...]] = (
    stream_script,
    oci_layout,
    docker_archive,
    nix2container,
    skopeo_folder,
    closure,
)
"""mypy holds each module against the Protocol."""


def test_every_kind_that_is_listed_satisfies_the_protocol() -> None:
    assert [importlib.import_module(name) for name in sources.SOURCES] == list(KINDS)


@pytest.mark.slow
@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_archive_of_docker_is_claimed(tmp_path: Path, shape: str, wrap: str) -> None:
    assert claims(docker_archive, WRAPS[wrap](SHAPES[shape]()), tmp_path)


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize(
    "data", [ROOTFS, ROOTFS[:-1000], b"", bytes(10240)], ids=["rootfs", "cut", "empty", "zeros"]
)
def test_other_tars_are_left_to_other_kinds(tmp_path: Path, data: bytes, wrap: str) -> None:
    assert not claims(docker_archive, WRAPS[wrap](data), tmp_path)
    assert not claims(oci_layout, WRAPS[wrap](data), tmp_path)


def claims(kind: Source, data: bytes, folder: Path) -> bool:
    (folder / "archive").write_bytes(data)
    return kind.matches(folder / "archive", data[:512])


class Rootfs:
    """A kind that takes the tar of a root file system."""

    forward_only = False

    def __init__(self, path: Path) -> None:
        self.layer = Layer(str(path), lambda: path.open("rb", buffering=0))

    def layers(self) -> Iterator[Layer]:
        yield self.layer

    def image(self) -> Image:
        return Image({}, Platform("linux", "amd64"), (self.layer.key,), (None,))


@pytest.mark.parametrize("wrap", WRAPS)
def test_another_kind_is_a_module_and_a_line(
    tmp_path: Path, wrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def matches(path: Path, head: bytes) -> bool:
        return True

    @contextlib.contextmanager
    def opened(path: Path, request: SourceRequest) -> Iterator[Opened]:
        yield Rootfs(path)

    rootfs = ModuleType("rootfs")
    rootfs.__dict__.update(KIND="root file system", matches=matches, opened=opened)
    (tmp_path / "archive").write_bytes(WRAPS[wrap](ROOTFS))
    with pytest.raises(NotAnImageError, match=r"has no manifest\.json"):
        read(tmp_path / "archive")
    monkeypatch.setitem(sys.modules, "rootfs", rootfs)
    monkeypatch.setattr(sources, "SOURCES", (*sources.SOURCES, "rootfs"))
    assert read(tmp_path / "archive").layers == (str(tmp_path / "archive"),)


def read(path: Path) -> Image:
    with sources.opened(path, SourceRequest()) as source:
        for layer in source.layers():
            layer.open().close()
        return source.image()
