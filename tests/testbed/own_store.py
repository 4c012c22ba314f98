"""A cold runner: the command with an empty store of its own, which a mount namespace puts in the place of /nix."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.testbed.command import Ended

_SCRIPT = 'mount --bind "$1" /nix && shift && exec "$@"'


@dataclass(frozen=True, slots=True)
class OwnStore:
    """A store below `folder`, of one runner. `publish` runs there as the fixture of that name does here."""

    folder: Path
    environ: Mapping[str, str]

    def command(self, *words: str) -> list[str]:
        """Return the command line that runs `words` where this store is /nix."""
        flags = () if os.geteuid() == 0 else ("--map-root-user",)
        unshare = ("unshare", "--mount", "--propagation", "private", *flags)
        return [*unshare, "sh", "-c", _SCRIPT, "sh", str(self.folder / "nix"), *words]

    def publish(self, *flags: str, cwd: Path, **environ: str) -> Ended:
        done = subprocess.run(
            self.command(sys.executable, "-m", "flakeship", "publish", *flags),
            cwd=cwd,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not list((self.folder / "temporary").iterdir()), "a temporary file was left behind"
        assert "Traceback" not in done.stderr, done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)

    def paths(self, name: str) -> list[Path]:
        """Return what the store holds under this name."""
        return sorted((self.folder / "nix/store").glob(f"*-{name}"))


OwnStores: TypeAlias = Callable[[], OwnStore]


@pytest.fixture
def cold(tmp_path: Path, nix_environ: Mapping[str, str]) -> OwnStores:
    """`cold()` is a runner whose store is empty; each call gives another."""
    count = 0

    def make() -> OwnStore:
        nonlocal count
        count += 1
        return new_store(tmp_path / f"runner-{count}", nix_environ)

    return make


def new_store(folder: Path, nix_environ: Mapping[str, str]) -> OwnStore:
    """Return a runner whose store is empty, in a folder that does not exist."""
    for part in ("nix", "temporary", "xdg"):
        (folder / part).mkdir(parents=True)
    environ = {
        **nix_environ,
        "NIX_REMOTE": "local",
        "NIX_CONFIG": f"{nix_environ['NIX_CONFIG']}sandbox = false\n",
        "TMPDIR": str(folder / "temporary"),
        "XDG_CACHE_HOME": str(folder / "xdg"),
    }
    return OwnStore(folder, environ)


@contextlib.contextmanager
def short_lived_store(folder: Path, nix_environ: Mapping[str, str]) -> Iterator[OwnStore]:
    """As `new_store`, and remove the folder when the block is left: Nix takes the right to write from what it stores."""
    store = new_store(folder, nix_environ)
    try:
        yield store
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(folder)], check=False)
        shutil.rmtree(folder)
