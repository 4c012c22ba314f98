"""A disk that is too small is found before anything is built, or before the first layer is packed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from flakeship.commands.publish.disk_space import LEAST, check_fits, check_room
from flakeship.destinations.archive import Archive
from flakeship.destinations.docker_daemon import DockerImages
from flakeship.destinations.oci_layout import Layout
from flakeship.destinations.registry import Repository
from flakeship.errors import ResourceError
from flakeship.image.model import Layer
from flakeship.image.stream import Reader
from tests.testbed.command import Publish

MIB = 1 << 20


def mounted(folder: Path, size: int) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    yield from mounted(tmp_path / "tiny", 3 * MIB)


@pytest.fixture
def enough(tmp_path: Path) -> Iterator[Path]:
    """A file system with just as much room as a run asks for before it begins."""
    yield from mounted(tmp_path / "enough", LEAST)


def never() -> Reader:
    raise AssertionError("a layer was read")


def layer(size: int | None) -> Layer:
    return Layer(str(size), never, size=size)


def test_a_temporary_folder_that_is_nearly_full(tiny: Path, tmp_path: Path) -> None:
    check_room(tmp_path, [])
    with pytest.raises(ResourceError, match=r"only 3\.1 MB are free in .*tiny for packing layers") as caught:
        check_room(tiny / "flakeship-1", [])
    assert "TMPDIR" in caught.value.hint


def test_a_destination_that_is_nearly_full(tiny: Path, enough: Path, tmp_path: Path) -> None:
    for target in (Layout(tiny / "a/b", ""), Archive(tiny / "image.tar", "docker-archive", ())):
        with pytest.raises(ResourceError, match=r"tiny.* has no space for an image: 3\.1 MB") as caught:
            check_room(tmp_path, [target])
        assert "larger disk" in caught.value.hint
    check_room(
        tmp_path,
        [
            Layout(enough / "not/yet", ""),
            Archive(None, "docker-archive", ()),
            Archive(Path("/dev/null"), "docker-archive", ()),
            DockerImages(()),
            Repository("a.example", "b", ("c",)),
        ],
    )


def test_a_file_system_that_does_not_tell_is_trusted() -> None:
    check_room(Path("/proc/self"), [])


def test_the_largest_layer_must_fit(enough: Path) -> None:
    check_fits([layer(LEAST), layer(None)], temporary=enough / "x", compressed=False)
    check_fits([layer(9 * LEAST)], temporary=enough / "x", compressed=True)
    check_fits([], temporary=enough, compressed=True)
    with pytest.raises(ResourceError, match="about 671 MB are needed there") as caught:
        check_fits([layer(1), layer(100 * LEAST)], temporary=enough / "x", compressed=True)
    assert "only 67.1 MB are free" in caught.value.message
    with pytest.raises(ResourceError, match="about 134 MB are needed there"):
        check_fits([layer(2 * LEAST)], temporary=enough / "x", compressed=False)


@pytest.mark.slow
def test_nothing_is_built_where_the_disk_is_full(publish: Publish, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "flake.nix").write_text("{ outputs = _: throw ''it was evaluated''; }")
    for flags, environ in (((), {"TMPDIR": str(tiny)}), (("--to", f"oci:{tiny}/image"), {})):
        ended = publish("--flake", f"path:{tmp_path}#x", *flags, **environ)
        assert ended.code == 8
        assert "3.1 MB are free" in ended.stderr
        assert not list(tiny.iterdir())
