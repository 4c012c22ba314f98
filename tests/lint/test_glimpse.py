"""Glimpses: small layers leave their file names, large ones nothing, and the bytes pass unchanged."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.image.model import Layer
from flakeship.lint.glimpse import Glimpses, glimpse_of
from tests.testbed import archives


def tar_of(*names: str, data: bytes = b"x" * 700) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in names:
            tar.addfile(archives.member(name, size=len(data)), io.BytesIO(data))
    return buffer.getvalue()


def test_a_customisation_layer_is_listed_completely() -> None:
    glimpse = glimpse_of(archives.LAYERS[2])
    assert glimpse.whole
    assert glimpse.paths == {"bin", "bin/hello", "etc", "etc/motd"}
    assert glimpse.links == {"bin/hello": f"{archives.STORE_HELLO}/bin/hello"}


def test_only_the_content_of_passwd_is_kept() -> None:
    glimpse = glimpse_of(tar_of("./etc/passwd", "./etc/shadow", data=b"root:x:0:0\n"))
    assert glimpse.files == {"etc/passwd": b"root:x:0:0\n"}


def test_a_layer_of_store_paths_is_not_read_to_its_end() -> None:
    glimpse = glimpse_of(tar_of(*(f"nix/store/{number}" for number in range(9)), "tmp"))
    assert not glimpse.whole
    assert not glimpse.paths


@given(st.integers(0, 3000))
def test_a_truncated_or_damaged_layer_is_not_an_error(cut: int) -> None:
    data = tar_of("etc/passwd", "tmp")
    glimpse_of(data[:cut])
    assert not glimpse_of(b"\xff" * 512 + data).whole


@given(st.lists(st.from_regex(r"[a-zäß0-9]{1,140}", fullmatch=True), unique=True, max_size=5))
def test_names_are_those_that_tarfile_reads(names: list[str]) -> None:
    data = tar_of(*names)
    found = glimpse_of(data)
    short = {name for name in names if name.isascii() and len(name) <= 100}
    assert short <= found.paths


@pytest.mark.parametrize(("size", "seen"), [(10_240, True), (2 << 20, False), (None, False)])
def test_only_a_layer_that_is_known_to_be_small_is_watched(size: int | None, seen: bool) -> None:
    data, glimpses = tar_of("tmp"), Glimpses()
    with glimpses.watch(Layer("key", lambda: io.BytesIO(data), size=size)).open() as reader:
        read = b"".join(iter(lambda: reader.read(100), b""))
    assert read == data
    assert ("key" in glimpses) is seen


def test_a_layer_larger_than_its_stated_size_leaves_no_glimpse() -> None:
    glimpses = Glimpses()
    with glimpses.watch(Layer("key", lambda: io.BytesIO(bytes(5 << 20)), size=100)).open() as reader:
        while reader.read(1 << 20):
            pass
    assert not glimpses
