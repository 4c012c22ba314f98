"""A folder that is not an image and holds one, and pointers that stand for files: the error says what to give instead."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from flakeship import sources
from flakeship.errors import NotAnImageError
from flakeship.sources.closure.programs import program_of
from flakeship.sources.opened import SourceRequest
from flakeship.sources.package import Package
from tests.image.making import WRAPS
from tests.sources.layouts import Layout
from tests.testbed import archives
from tests.testbed.archives import layer_tar

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


def refusal(path: Path) -> NotAnImageError:
    with pytest.raises(NotAnImageError) as caught, sources.opened(path, SourceRequest()):
        pass
    return caught.value


def layout() -> Layout:
    made = Layout()
    return made.listing(made.image("one"))


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("place", ["image.tar", "tarball/image", "a/b/c/image"])
def test_an_archive_within_a_folder_is_named(tmp_path: Path, wrap: str, place: str) -> None:
    """nix-community/nixos-generators#176: the result is a folder."""
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_bytes(WRAPS[wrap](archives.layered()))
    error = refusal(tmp_path)
    assert error.message == f"{tmp_path} is not an image, but a folder that holds one: {place}"
    assert error.hint == f"name the file: `source: {tmp_path}/{place}`"


def test_what_a_flake_builds_can_be_another_attribute(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(archives.layered())
    with pytest.raises(NotAnImageError) as caught:
        program_of(Package(path=str(tmp_path), system="x86_64-linux", closure=()))
    assert "a folder that holds one: image.tar" in caught.value.message
    assert "ln -s ${package}/image.tar $out" in caught.value.hint


def test_a_folder_with_neither_program_nor_image_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("no")
    with pytest.raises(NotAnImageError, match="nor a package with a program"):
        program_of(Package(path=str(tmp_path), system="x86_64-linux", closure=()))
    assert "it is a folder" in refusal(tmp_path).message


def test_a_layout_and_several_archives_are_named(tmp_path: Path) -> None:
    layout().folder(tmp_path / "layout")
    for name in ("a.tar", "b.tar"):
        (tmp_path / name).write_bytes(archives.layered())
    assert "a folder that holds 3: layout, a.tar, b.tar" in refusal(tmp_path).message


def products(folder: Path, *lines: str) -> None:
    (folder / "nix-support").mkdir()
    (folder / "nix-support/hydra-build-products").write_text("".join(f"{line}\n" for line in lines))


def test_what_hydra_is_told_of_comes_first(tmp_path: Path) -> None:
    for name in ("a.tar", "deep/er/and/deep/er/b c.tar"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(archives.layered())
    products(
        tmp_path,
        f'file system-tarball "{tmp_path}/deep/er/and/deep/er/b c.tar"',
        f"file x {tmp_path}/gone.tar",
        "file x /etc/passwd",
        f"file x {tmp_path}/../other",
        f"file x {tmp_path}",
        "file",
        'file x "unclosed',
    )
    assert refusal(tmp_path).message.endswith("holds 2: deep/er/and/deep/er/b c.tar, a.tar")


@pytest.mark.parametrize("pack", [lzma.compress, gzip.compress, bytes])
def test_a_file_system_is_explained(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """What nixos-generators makes for docker is a file system, and `docker import` takes it."""
    (tmp_path / "system.tar.xz").write_bytes(pack(layer_tar({"etc/hostname": b"nixos"})))
    products(tmp_path, f"file system-tarball {tmp_path}/system.tar.xz")
    error = refusal(tmp_path)
    assert "holds system.tar.xz, an archive that is not an image" in error.message
    assert "docker import" in error.hint


def test_a_pointer_of_git_lfs_is_recognised(tmp_path: Path) -> None:
    """actions/checkout#2208: a checkout without `lfs: true`."""
    (tmp_path / "image.tar").write_bytes(POINTER)
    error = refusal(tmp_path / "image.tar")
    assert "it is a pointer of git LFS" in error.message
    assert "`lfs: true`" in error.hint
    assert "?lfs=1" in error.hint


@pytest.mark.parametrize("what", ["blobs", "index.json"])
def test_a_pointer_in_a_layout_is_recognised(tmp_path: Path, what: str) -> None:
    folder = layout().folder(tmp_path / "layout")
    for path in (folder / what).rglob("*") if what == "blobs" else (folder / what,):
        if path.is_file():
            path.write_bytes(POINTER)
    error = refusal(folder)
    assert "is a pointer of git LFS" in error.message
    assert "git lfs pull" in error.hint
