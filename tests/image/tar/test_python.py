"""The tar of nixpkgs' stream script, compared with the one that Python's own tarfile makes by its rules."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.errors import NotAnImageError, ResourceError
from flakeship.image.tar.header import LARGEST
from flakeship.image.tar.python import HeaderFields, tar_of
from tests.image.tar.test_writer import TREES, plant
from tests.sources.store_trees import plant as plant_odd

OWNERS = st.builds(
    HeaderFields,
    uid=st.sampled_from([0, 1000, 8**7 - 1]),
    gid=st.sampled_from([0, 100]),
    uname=st.sampled_from(["", "root", "u" * 32]),
    gname=st.sampled_from(["", "root"]),
    mtime=st.sampled_from([0, 1, 315532800, LARGEST]),
    root_mode=st.sampled_from([0o555, 0o755]),
)


def claimed(member: tarfile.TarInfo, fields: HeaderFields) -> tarfile.TarInfo:
    member.uid, member.gid, member.mtime = fields.uid, fields.gid, fields.mtime
    member.uname, member.gname = fields.uname, fields.gname
    return member


def by_tarfile(tops: Iterable[Path], fields: HeaderFields) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name in ("/nix", "/nix/store"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, fields.root_mode
            tar.addfile(claimed(folder, fields))
        for top in tops:
            below = [] if top.is_symlink() else top.rglob("*")
            for path in sorted([top, *below]):
                tar.inodes = {}  # type: ignore[attr-defined]  # no member is a link to another
                member = claimed(tar.gettarinfo(path), fields)
                member.name = f"/{member.name}"
                with path.open("rb") if member.isfile() else io.BytesIO() as content:
                    tar.addfile(member, content)
    return buffer.getvalue()


@given(trees=st.lists(TREES, max_size=3), fields=OWNERS)
def test_the_same_bytes_as_tarfile(trees: list[object], fields: HeaderFields) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tops = [Path(folder) / f"top-{number}" for number in range(len(trees))]
        for tree, top in zip(trees, tops, strict=True):
            plant(tree, top)
        with tar_of(list(map(str, tops)), fields) as reader:
            assert reader.read() == by_tarfile(tops, fields)


def test_the_order_is_that_of_characters(tmp_path: Path) -> None:
    """Bytes would put what is no UTF-8 behind all that is, and names by themselves `bin-` before `bin/`."""
    names = ["bin", "bin-", "bin/x", "\U0001f600", "\ufb01", "\udcff", "\u00e9", ".x", "Z", "a"]
    for name in names:
        path = tmp_path / "top" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name == "bin" else path.touch()
    with (
        tar_of([str(tmp_path / "top")], HeaderFields()) as reader,
        tarfile.open(fileobj=reader, mode="r|") as tar,
    ):
        found = tar.getnames()
    prefix = f"{tmp_path}/top/"
    inside = [name.removeprefix(prefix) for name in found if name.startswith(prefix)]
    assert inside == sorted(names, key=lambda name: name.split("/"))


@pytest.mark.parametrize("size", [LARGEST, LARGEST + 1, 1 << 40])
def test_files_beyond_8_gib(tmp_path: Path, size: int) -> None:
    path = tmp_path / "large"
    path.touch(0o444)
    os.truncate(path, size)
    member = claimed(tarfile.TarInfo(str(path)), HeaderFields())
    member.size, member.mode = size, path.stat().st_mode
    header = member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    with tar_of([str(path)], HeaderFields()) as reader:
        assert reader.read(1024 + len(header))[1024:] == header


@pytest.mark.parametrize("length", [10240, 10240 - 512, 10240 - 1024, 10240 - 1536, 20480 - 1024, 3])
def test_the_end_fills_a_record(tmp_path: Path, length: int) -> None:
    (tmp_path / "file").write_bytes(bytes(length - 1536 if length > 1536 else length))
    with tar_of([str(tmp_path / "file")], HeaderFields()) as reader:
        data = reader.read()
    assert data == by_tarfile([tmp_path / "file"], HeaderFields())
    assert not len(data) % 10240


GOLDEN = {
    HeaderFields(): "63e7dccf9e7ce015e464775f467049f6b2e80190b9e23bc721a5a8d78cc184b9",
    HeaderFields(
        root_mode=0o555, mtime=315532800
    ): "2d5ed25f351fdc0d7677b538207111607a75d25002d5111448060ea87935f3ae",
    HeaderFields(
        uid=1000, gid=100, uname="user", gname="users"
    ): "cc6b10e152cedbe3eb6ea1d46a59f7bfc3a38f4e3046689361f6f61fbee77a14",
    HeaderFields(devices=True): "5a6292f5348bb6942e2a7070304fbb1c0b8d79db44f8fb2f72e823c3172b371f",
}
"""Of the odd tree, as nixpkgs' script gave them in three releases, run by Python 3.8 to 3.13."""


@pytest.mark.parametrize("fields", GOLDEN)
def test_the_bytes_never_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: HeaderFields
) -> None:
    plant_odd(tmp_path / "top")
    monkeypatch.chdir(tmp_path)
    with tar_of(["/proc/self/cwd/top"], fields) as reader:  # a name that is the same everywhere
        assert hashlib.sha256(reader.read()).hexdigest() == GOLDEN[fields]


def test_what_no_image_can_hold(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (
        pytest.raises(NotAnImageError, match="pipe is a socket, a pipe or a device") as caught,
        tar_of([str(tmp_path)], HeaderFields()) as reader,
    ):
        reader.read()
    assert "delete the path" in caught.value.hint


def test_what_is_gone(tmp_path: Path) -> None:
    with (
        pytest.raises(ResourceError, match="gone vanished from the store") as caught,
        tar_of([str(tmp_path / "gone")], HeaderFields()) as reader,
    ):
        reader.read()
    assert "garbage collection" in caught.value.hint
