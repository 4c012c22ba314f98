"""A store that something else writes to while it is read: an error that names the path, never a short layer."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from flakeship.errors import NotAnImageError, ResourceError
from flakeship.image.stream import CHUNK
from flakeship.image.tar.writer import tar_of


def written(path: Path) -> bytes:
    with tar_of([str(path)]) as reader:
        return reader.read()


def test_what_vanishes_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResourceError) as caught:
        written(tmp_path / "hash-gone")
    assert "hash-gone vanished" in caught.value.message
    assert "garbage collection" in caught.value.hint


def test_what_vanishes_midway_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(2 * CHUNK))
    (tmp_path / "b").write_bytes(b"x")
    with tar_of([str(tmp_path)]) as reader:
        reader.read(CHUNK)
        (tmp_path / "b").unlink()
        with pytest.raises(ResourceError, match="/b vanished"):
            reader.read()


@pytest.mark.parametrize(
    ("change", "size"),
    [
        ("shrinks", 100),  # one read sees one state: nothing else can happen to a small one
        ("grows", 100),
        ("shrinks", 5 * CHUNK),
        ("grows", 5 * CHUNK),
        ("is written to", 5 * CHUNK),
    ],
)
def test_a_file_that_changes_is_named(
    tmp_path: Path, change: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(size))
    fstat = os.fstat
    seen: list[int] = []

    def then_change(number: int) -> os.stat_result:
        result = fstat(number)
        if not seen:
            seen.append(number)
            match change:
                case "shrinks":
                    os.truncate(file, size - 1)
                case "grows":
                    os.truncate(file, size + 1)
                case _:
                    file.write_bytes(b"\1" * size)
                    os.utime(file, (99, 99))
        return result

    monkeypatch.setattr(os, "fstat", then_change)
    with pytest.raises(ResourceError) as caught:
        written(file)
    assert f"{file} changed while it was read" in caught.value.message
    assert "--repair" in caught.value.hint


def test_what_no_store_path_holds_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(tmp_path / "socket"))
        for name in ("pipe", "socket"):
            with pytest.raises(NotAnImageError) as caught:
                written(tmp_path / name)
            assert f"{name} is a socket, a pipe or a device" in caught.value.message
            assert "delete the path" in caught.value.hint
    with pytest.raises(NotAnImageError, match="pipe is a socket, a pipe"):
        written(tmp_path)


def test_what_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")

    def refuse(path: bytes, flags: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)  # root may read everything
    with pytest.raises(ResourceError) as caught:
        written(tmp_path)
    assert "can't read" in caught.value.message
    assert "/file: Permission denied" in caught.value.message
    assert "may read the store" in caught.value.hint
