"""Which files on a disk belong to a run that lives, and which one that was killed has left: a lock tells them apart.

A run locks what it is making (flock(2)), and the kernel lets go of the lock when the run ends, however it ends. Numbers of
processes would not do: containers that share a folder number theirs apart. Two kernels that share a folder, as those of a
virtual machine and its host do, may not tell each other of locks: so names hold a mark of the kernel, and what another
one's runs have left is not touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

_GONE: Final = ".gone"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
"""Another one after each start: https://man7.org/linux/man-pages/man5/proc_sys_kernel.5.html."""


@cache
def _kernel() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii")[:8]
    except (OSError, ValueError):
        return "0"


def mark() -> str:
    """How the names of our files and folders begin, behind a dot or not."""
    return f"flakeship-{_kernel()}-"


def new_file(folder: Path) -> tuple[int, Path]:
    """Make a file that gets its name later, locked until the handle is closed. OSError as `open` raises it."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{mark()}", dir=folder)
        if _held(handle, name):
            return handle, Path(name)


def check_writable(folder: Path) -> None:
    """Make sure that files can be made in `folder`, or in what there is of the folders above it; leaves nothing there.

    OSError where they can't.
    """
    # docs/decisions.md#nothing-is-written-while-nix-reads-the-sources
    handle, path = new_file(next(each for each in (folder, *folder.parents) if os.path.lexists(each)))
    path.unlink(missing_ok=True)
    os.close(handle)


def sweep_files(folder: Path) -> None:
    """Remove the files of `new_file` in `folder` that runs of this user were killed over."""
    for entry in _ours(folder, f".{mark()}"):
        with contextlib.suppress(OSError), _if_left(entry.path, os.O_RDWR):
            Path(entry.path).unlink()


def folder_name() -> str:
    """A name for a folder that no other has."""
    return f"{mark()}{os.urandom(8).hex()}"


def make_folder(directory: Path, *, mode: int) -> int:
    """Make the folder of this run; a handle to close when the folder is removed. OSError as `mkdir` raises it."""
    while True:
        directory.mkdir(mode=mode)
        with contextlib.suppress(
            FileNotFoundError
        ):  # another run took it for a leftover before it was locked
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            if _held(handle, directory):
                return handle


def remove_folder(directory: Path, *, tries: int) -> None:
    """Remove the folder, though threads that an error has abandoned may still be making files in it.

    Under another name no further thread finds it; one that had found it before may add its file while the others are
    removed, so that the folder is not empty at its end: then once more.
    """
    removed = directory.with_name(f"{directory.name}{_GONE}")
    with contextlib.suppress(OSError):
        directory.rename(removed)
    for folder in (removed, directory):
        for _ in range(tries):
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break


def sweep_folders(parent: Path) -> None:
    """Remove the folders of `make_folder` in `parent` that runs of this user were killed over. No link is followed."""
    for entry in _ours(parent, mark()):
        with contextlib.suppress(OSError), _if_left(entry.path, os.O_RDONLY | os.O_DIRECTORY):
            removed = f"{entry.path.removesuffix(_GONE)}{_GONE}"
            os.rename(entry.path, removed)  # noqa: PTH104 - what counts are these very names
            shutil.rmtree(removed, ignore_errors=True)


def _ours(folder: Path, prefix: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.name.startswith(prefix)]
    except OSError:
        return []


@contextlib.contextmanager
def _if_left(path: str, flags: int) -> Iterator[None]:
    """Hold the lock of what its owner has left: nobody else moves it meanwhile.

    OSError if its owner lives, if nobody can tell, for a link, and for another user's.
    """
    import fcntl

    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        info = os.fstat(handle)
        if info.st_uid != os.geteuid() or not (stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode)):
            raise PermissionError
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Since it was opened, another run may have swept it, and its owner may have made a new one of that name.
        if not os.path.samestat(os.lstat(path), info):
            raise FileNotFoundError
        yield
    finally:
        os.close(handle)


def _held(handle: int, path: str | Path) -> bool:
    """Lock what was just made, and tell whether it is still there; if not, or by an error, the handle is closed.

    On a file system without locks it stays without one, and nobody can lock what is left there either.
    """
    there = False
    try:
        with contextlib.suppress(OSError, ImportError):
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        # Before it was locked another run may have taken it for a leftover.
        with contextlib.suppress(FileNotFoundError):
            there = os.path.samestat(os.lstat(path), os.fstat(handle))
    finally:
        if not there:
            os.close(handle)
    return there
