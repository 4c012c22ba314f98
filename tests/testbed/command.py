"""`flakeship publish` as a user runs it: a process of its own, with an environment that holds nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.testbed import archives


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    stdout: str
    stderr: str


Publish: TypeAlias = Callable[..., Ended]


@pytest.fixture
def publish(nix_environ: Mapping[str, str], tmp_path: Path) -> Publish:
    """Run it with these flags; temporary folders go to tmp_path/temporary, which must end up empty."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    def run(*flags: str, cwd: Path = tmp_path, stdin: str = "", **environ: str) -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", "flakeship", "publish", *flags],
            cwd=cwd,
            env={**nix_environ, "TMPDIR": str(temporary), **environ},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not list(temporary.iterdir()), "a temporary file was left behind"
        assert "Traceback" not in done.stderr, done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A plain docker-archive as buildLayeredImage makes it."""
    archives.write_all(tmp_path / "archives")
    return tmp_path / "archives/layered.tar"
