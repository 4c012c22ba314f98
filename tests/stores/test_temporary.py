"""The spool: what is left behind (nothing), and the errors of a disk."""

from __future__ import annotations

import contextlib
import io
import os
import pkgutil
import resource
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flakeship.errors import ResourceError
from flakeship.image.model import Layer
from flakeship.leftovers.locks import folder_name, make_folder
from flakeship.stores.temporary import TemporaryStore, disk_full, temporary_folder, temporary_store
from tests.image.making import files, made, settled
from tests.testbed.archive_shapes import archive


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    assert os.geteuid() == 0, "only root can mount a small file system: run as root"
    folder = tmp_path / "tiny"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_folder_of_its_own_that_goes(tmp_path: Path) -> None:
    with temporary_store(tmp_path) as store:
        assert store.directory.parent == tmp_path
        assert store.directory.stat().st_mode & 0o777 == 0o700
        with store.spool() as (file, path):
            file.write(b"kept")
        assert path.read_bytes() == b"kept"
        assert store.find(Layer("anything", io.BytesIO)) is None
    assert list(tmp_path.iterdir()) == []


def test_threads_that_are_not_waited_for_leave_nothing(tmp_path: Path) -> None:
    def work(store: TemporaryStore) -> None:
        end = time.monotonic() + 1
        with contextlib.suppress(ResourceError):  # the folder is gone
            while time.monotonic() < end:
                with store.spool() as (file, _):
                    file.write(b"late")

    for _ in range(5):
        with temporary_store(tmp_path) as store:
            threads = [threading.Thread(target=work, args=(store,)) for _ in range(3)]
            for thread in threads:
                thread.start()
            time.sleep(0.005)
        for thread in threads:
            thread.join()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["pathlib.Path.mkdir", "pathlib.Path.rename", "shutil.rmtree"])
def test_a_signal_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Just after it was made, while it is renamed, while it is removed."""
    what, _, name = place.rpartition(".")
    real = getattr(pkgutil.resolve_name(what), name)
    signals = [KeyboardInterrupt()]

    def interrupted(*given: Any, **named: Any) -> Any:
        done = real(*given, **named) if name != "rmtree" or not signals else None
        if signals:
            raise signals.pop()
        return done

    monkeypatch.setattr(place, interrupted)
    with pytest.raises(KeyboardInterrupt), temporary_store(tmp_path) as store:
        (store.directory / "blob").touch()
    assert not signals
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_no_file(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error):
        _fail(TemporaryStore(tmp_path), error)
    assert list(tmp_path.iterdir()) == []


def _fail(store: TemporaryStore, error: type[BaseException]) -> None:
    with store.spool() as (file, _):
        file.write(b"half")
        raise error


@pytest.mark.slow
@pytest.mark.parametrize("size", [4 << 20, (3 << 20) + 100])
def test_the_disk_is_full(tiny: Path, tmp_path: Path, size: int) -> None:
    """Also by a few bytes, when the kernel takes a part of the last write."""
    (tmp_path / "archive").write_bytes(archive([os.urandom(size)]))
    open_files = files()
    with pytest.raises(ResourceError) as caught:
        made(tmp_path / "archive", tiny / "flakeship-1")
    assert f"no space left in {tiny} for packing layers" in caught.value.message
    assert "TMPDIR" in caught.value.hint
    assert caught.value.exit_code == 8
    del caught
    assert settled(open_files)
    assert list((tiny / "flakeship-1").iterdir()) == []


def test_it_says_how_much_is_needed(tmp_path: Path) -> None:
    assert "about 1,234 MB are needed" in disk_full(tmp_path / "x", needed=1_234_000_000).message


def test_the_folder_is_gone_or_can_not_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        pytest.raises(ResourceError, match="can't make a temporary folder in") as caught,
        temporary_store(tmp_path / "none"),
    ):
        pytest.fail("it was made")
    assert "No such file" in caught.value.message
    assert "TMPDIR" in caught.value.hint
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", list)  # none can be written to
    with pytest.raises(ResourceError, match="No usable temporary directory") as none, temporary_store(None):
        pytest.fail("it was made")
    assert "TMPDIR" in none.value.hint
    spool = TemporaryStore(tmp_path / "gone").spool()
    with (
        pytest.raises(ResourceError, match=f"can't pack a layer in {tmp_path}: No such file") as inside,
        spool,
    ):
        pytest.fail("it was made")
    assert "TMPDIR" in inside.value.hint


def test_too_many_open_files(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.open(tmp_path, os.O_RDONLY)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        with (
            pytest.raises(ResourceError, match="Too many open files") as caught,
            TemporaryStore(tmp_path).spool(),
        ):
            pytest.fail("it was made")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "ulimit -n" in caught.value.hint


def test_a_file_that_comes_while_the_folder_is_removed_is_removed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that found the folder before it was renamed makes its file when the others are gone already."""
    rmtree, late = shutil.rmtree, iter([True])

    def removing(folder: Path, **named: Any) -> None:
        if folder.exists() and next(late, False):
            for path in folder.iterdir():
                path.unlink()
            (folder / "layer-late").touch()
        else:
            rmtree(folder, **named)

    monkeypatch.setattr(shutil, "rmtree", removing)
    with temporary_store(tmp_path) as store:
        (store.directory / "layer-early").touch()
    assert list(tmp_path.iterdir()) == []


def test_what_a_run_that_was_killed_left_is_removed_by_the_next(tmp_path: Path) -> None:
    left = tmp_path / folder_name()
    os.close(make_folder(left, mode=0o700))  # its lock is gone with its process
    with temporary_folder(tmp_path) as folder:
        assert [path for path in tmp_path.iterdir() if path.is_dir()] == [folder]


def test_what_is_known_of_a_full_disk_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert disk_full(folder).message == f"no space left in {tmp_path} for packing layers"
    assert disk_full(folder, free=1).message.startswith("only 0.0 MB are free")
    told = disk_full(folder, free=1_500_000, needed=1).message
    assert told.endswith("; about 0 MB are needed there")
