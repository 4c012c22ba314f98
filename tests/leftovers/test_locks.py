"""What a run that was killed has left goes with the next run, and nothing else does."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import pytest

from flakeship.leftovers import locks
from flakeship.leftovers.locks import (
    folder_name,
    make_folder,
    mark,
    new_file,
    remove_folder,
    sweep_files,
    sweep_folders,
)


def left_folder(parent: Path) -> Path:
    """As the kernel leaves it: it closes what a process had open."""
    folder = parent / folder_name()
    os.close(make_folder(folder, mode=0o700))
    (folder / "below").mkdir()
    (folder / "below/layer").write_bytes(b"half")
    return folder


def left_file(folder: Path) -> Path:
    handle, path = new_file(folder)
    os.close(handle)
    return path


@pytest.fixture
def living(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A folder and a file of a run that goes on."""
    folder = tmp_path / folder_name()
    lock = make_folder(folder, mode=0o700)
    handle, path = new_file(tmp_path)
    yield folder, path
    os.close(lock)
    os.close(handle)


def test_what_a_killed_run_left_goes_and_what_a_living_one_has_stays(
    tmp_path: Path, living: tuple[Path, Path]
) -> None:
    script = (
        "import os, sys, signal; from pathlib import Path; from flakeship.leftovers.locks import *\n"
        "parent = Path(sys.argv[1]); make_folder(parent / folder_name(), mode=0o700); new_file(parent)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False).returncode == -9
    assert len(list(tmp_path.iterdir())) == 4
    sweep_folders(tmp_path)
    sweep_files(tmp_path)
    assert {*tmp_path.iterdir()} == {*living}


def test_one_that_was_killed_while_it_removed_its_folder(tmp_path: Path) -> None:
    folder = left_folder(tmp_path)
    folder.rename(f"{folder}.gone")
    sweep_folders(tmp_path)
    assert not list(tmp_path.iterdir())


def test_who_is_still_removing_its_folder_is_not_disturbed(tmp_path: Path) -> None:
    folder = tmp_path / folder_name()
    lock = make_folder(folder, mode=0o700)
    gone = folder.rename(f"{folder}.gone")
    sweep_folders(tmp_path)
    assert gone.exists()
    os.close(lock)
    remove_folder(folder, tries=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["the folder", "in the folder", "the file"])
def test_no_link_is_followed(tmp_path: Path, place: str) -> None:
    swept, outside = tmp_path / "tmp", tmp_path / "outside"
    swept.mkdir()
    kept = left_folder(outside.parent)
    kept.rename(outside)
    match place:
        case "the folder":
            (swept / folder_name()).symlink_to(outside)
        case "in the folder":
            (left_folder(swept) / "link").symlink_to(outside)
        case _:
            (swept / f".{mark()}x").symlink_to(outside / "below/layer")
    sweep_folders(swept)
    sweep_files(swept)
    assert (outside / "below/layer").read_bytes() == b"half"
    assert len(list(swept.iterdir())) == (place != "in the folder")


def test_what_is_another_user_s_or_no_file_of_ours_stays(tmp_path: Path) -> None:
    folder, path = left_folder(tmp_path), left_file(tmp_path)
    for each in (folder, path):
        os.chown(each, 65534, 65534)
    os.mkfifo(tmp_path / f".{mark()}pipe")
    (tmp_path / f".{mark()}folder").mkdir()
    (tmp_path / folder_name()).write_bytes(b"")
    before = sorted(tmp_path.iterdir())
    sweep_folders(tmp_path)
    sweep_files(tmp_path)
    left = sorted(tmp_path.iterdir())
    assert left == before


def test_what_runs_under_another_kernel_left_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual machine and its host may share a folder and not their locks."""
    ours = {left_folder(tmp_path), left_file(tmp_path)}
    monkeypatch.setattr(locks, "_kernel", lambda: "ffffffff")
    theirs = {left_folder(tmp_path), left_file(tmp_path)}
    monkeypatch.undo()
    sweep_folders(tmp_path)
    sweep_files(tmp_path)
    assert not any(path.exists() for path in ours)
    assert all(path.exists() for path in theirs)


def test_without_locks_nothing_is_taken_for_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> NoReturn:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refused)
    paths = {left_folder(tmp_path), left_file(tmp_path)}
    sweep_folders(tmp_path)
    sweep_files(tmp_path)
    assert {*tmp_path.iterdir()} == paths


def test_a_run_whose_things_are_swept_before_they_are_locked_makes_them_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = locks._held

    def late(handle: int, path: Any) -> bool:
        monkeypatch.setattr(locks, "_held", held)
        sweep_folders(tmp_path)
        sweep_files(tmp_path)
        assert not os.path.lexists(path)
        return held(handle, path)

    makers: tuple[Callable[[], int], ...] = (
        lambda: make_folder(tmp_path / folder_name(), mode=0o700),
        lambda: new_file(tmp_path)[0],
    )
    for make in makers:
        monkeypatch.setattr(locks, "_held", late)
        handle = make()
        sweep_folders(tmp_path)
        sweep_files(tmp_path)
        (path,) = tmp_path.iterdir()
        assert os.path.samestat(path.stat(), os.fstat(handle))
        os.close(handle)
        sweep_folders(tmp_path)
        sweep_files(tmp_path)
        assert not list(tmp_path.iterdir())


def test_what_was_made_anew_under_the_name_of_what_was_swept_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run opens what is left, another one sweeps it, and its owner, who lives, makes it anew: then the first run goes on."""
    flock, folder, owners = fcntl.flock, left_folder(tmp_path), []

    def late(handle: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        remove_folder(folder, tries=1)
        owners.append(make_folder(folder, mode=0o700))
        flock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    sweep_folders(tmp_path)
    (owner,) = owners
    assert os.path.samestat(folder.stat(), os.fstat(owner))
    os.close(owner)


def test_several_runs_that_begin_at_once_keep_theirs(tmp_path: Path) -> None:
    for _ in range(4):
        left_folder(tmp_path)
        left_file(tmp_path)

    def run(number: int) -> None:
        for _ in range(10):
            sweep_folders(tmp_path)
            sweep_files(tmp_path)
            folder = tmp_path / folder_name()
            lock = make_folder(folder, mode=0o700)
            (folder / "layer").write_text(str(number))
            handle, path = new_file(tmp_path)
            sweep_folders(tmp_path)
            sweep_files(tmp_path)
            assert (folder / "layer").read_text() == str(number)
            assert path.exists()
            path.unlink()
            remove_folder(folder, tries=1)
            os.close(handle)
            os.close(lock)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(run, range(6)))
    assert not list(tmp_path.iterdir())
