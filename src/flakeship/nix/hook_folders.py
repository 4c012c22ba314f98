"""What the hook by which Nix reaches builders leaves in TMPDIR: Nix kills it where a build ends early, by a signal too."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"nix-(?P<process>[1-9][0-9]*)-[0-9]+")


@contextlib.contextmanager
def without_hook_folders(environ: Mapping[str, str]) -> Iterator[None]:
    """Remove what was left when the block ends: empty folders of processes that are gone, and no older than the block."""
    begun = time.time() - 1  # a file system's clock may be a little behind
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            for folder in Path(environ.get("TMPDIR") or "/tmp").iterdir():  # noqa: S108  as Nix has it
                found = _NAME.fullmatch(folder.name)
                if found and not _runs(int(found["process"])):
                    _remove(folder, begun)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _remove(folder: Path, since: float) -> None:
    with contextlib.suppress(OSError):  # it is not empty, somebody else's, or gone
        if folder.lstat().st_mtime >= since:
            folder.rmdir()
