"""Programs of other releases of Debian, each unpacked into a file system of its own that is kept for later runs."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from pathlib import Path


def unpacked(name: str, suite: str, *packages: str, variant: str) -> Path:
    """Return the root of a file system with these packages; `name` is what it is kept as, `variant` one of mmdebstrap's."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flakeship-tests"
    kept = cache / name
    if kept.exists():
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    with (
        (cache / f"{name}.lock").open("w") as one_at_a_time,
        tempfile.TemporaryDirectory(dir=cache) as folder,
    ):
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if not kept.exists():
            made = Path(folder) / "root"
            subprocess.run(
                [
                    "mmdebstrap",
                    f"--variant={variant}",
                    '--aptopt=Acquire::Check-Valid-Until "false"',
                    f"--include={','.join(packages)}",
                    suite,
                    str(made),
                ],
                check=True,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=280,
            )
            try:
                made.rename(kept)
            except OSError:  # another process has made the same meanwhile
                if not kept.exists():
                    raise
    return kept
