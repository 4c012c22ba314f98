"""The wheel and the source distribution, built from the files of the released commit, and their checksums."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from release.git import time_of

SUMS: Final = "SHA256SUMS"
_BUILD: Final = "import sys; from flit_core import buildapi; buildapi.build_wheel(sys.argv[1]); buildapi.build_sdist(sys.argv[1])"


def build(root: Path, commit: str, to: Path) -> list[Path]:
    """Write both, and SHA256SUMS, into the folder `to`; return the first two. The same commit gives the same bytes."""
    to.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        _export(root, commit, Path(folder))
        subprocess.run(
            [sys.executable, "-I", "-c", _BUILD, str(to.resolve())],
            cwd=folder,
            env={**os.environ, "SOURCE_DATE_EPOCH": time_of(root, commit)},
            check=True,
        )
    built = sorted(to.iterdir())
    lines = (f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in built)
    (to / SUMS).write_text("".join(lines))
    return built


def _export(root: Path, commit: str, to: Path) -> None:
    tar = subprocess.run(["git", "archive", commit], cwd=root, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        if hasattr(tarfile, "data_filter"):  # Python 3.11.4
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(to)  # noqa: S202 - it is what git has of our own commit
