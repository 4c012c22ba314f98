"""cosign itself, of Debian's next release, unpacked into a folder that is kept for later runs: it needs nothing of the system."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.testbed.debian_packages import unpacked

PASSWORD: Final = "correct horse"


@dataclass(frozen=True, slots=True)
class Cosign:
    """`cosign(*arguments)` runs in `folder`, where its `cosign.key` (whose password is PASSWORD) and `cosign.pub` are."""

    program: Path
    folder: Path

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {"HOME": str(self.folder), "PATH": os.environ["PATH"], "COSIGN_PASSWORD": PASSWORD}
        return subprocess.run(
            [str(self.program), *arguments],
            cwd=self.folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    @property
    def key(self) -> str:
        return (self.folder / "cosign.key").read_text()


@pytest.fixture(scope="session")
def cosign(tmp_path_factory: pytest.TempPathFactory) -> Cosign:
    """With a pair of keys of its own making; it asks nobody but registries."""
    made = Cosign(
        unpacked("cosign-of-sid", "sid", "cosign", variant="extract") / "usr/bin/cosign",
        tmp_path_factory.mktemp("cosign"),
    )
    done = made("generate-key-pair")
    assert done.returncode == 0, done.stderr
    return made
