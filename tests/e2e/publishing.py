"""Running the command as a user does, and looking at what it pushed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from tests.testbed.registry import Registry

Run: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]
Publish: TypeAlias = Callable[..., str]


def runner(environ: Mapping[str, str], cwd: Path) -> Run:
    """`run(*flags, **variables)` runs `flakeship publish`, whatever it exits with."""

    def run(*flags: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "flakeship", "publish", "--log-level", "debug", *flags]
        return subprocess.run(
            command, cwd=cwd, env={**environ, **variables}, capture_output=True, text=True, check=False
        )

    return run


def publisher(run: Run) -> Publish:
    """`publish(*flags, **variables)` runs it to its success; the reference with the digest."""

    def publish(*flags: str, **variables: str) -> str:
        done = run(*flags, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return publish


def layers(registry: Registry, repository: str, reference: str) -> list[str]:
    manifest = registry.manifest(repository, reference)
    assert manifest
    return [layer["digest"] for layer in manifest["layers"]]
