"""`./dev demo` in a checkout of its own, which borrows the environment of the tests; and the command that it prints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.testbed.docker import Docker

pytestmark = pytest.mark.slow


@pytest.fixture
def fresh(checkout: Path, tmp_path: Path) -> Path:
    """A checkout that takes what is installed here for what it would install."""
    folder = tmp_path / "fresh"
    shutil.copytree(checkout, folder)
    programs = folder / ".venv/bin"
    programs.mkdir(parents=True)
    for name, module in (("python", ""), ("flakeship", "-m flakeship")):
        (programs / name).write_text(
            f'#!/bin/sh\nPYTHONPATH={folder}/src exec {sys.executable} {module} "$@"\n'
        )
        (programs / name).chmod(0o755)
    lock = subprocess.run(
        ["cksum", "pyproject.toml", "requirements/runtime.txt"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    (folder / ".venv/runtime.stamp").write_text(f"{folder} {lock.stdout}")
    return folder


@pytest.fixture
def without_podman(tmp_path: Path) -> str:
    """A PATH without podman, which would be preferred."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for place in map(Path, ("/usr/local/bin", "/usr/bin", "/bin")):
        for program in place.iterdir():
            if program.name != "podman" and not (programs / program.name).is_symlink():
                (programs / program.name).symlink_to(program)
    return str(programs)


def demo(folder: Path, environ: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["./dev", "demo"], cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert not done.stdout
    return done.stderr


def test_the_demo_and_the_command_it_prints(
    fresh: Path, without_podman: str, nix_environ: Mapping[str, str], dockerd: Docker
) -> None:
    environ = {**nix_environ, "PATH": without_podman}
    said = demo(fresh, environ)
    digest = next(line for line in said.splitlines() if line.startswith("digest "))
    for told in (
        "busybox",
        "a greeting",
        "verified: every digest",
        "2 layers",
        str(fresh / "flakeship-image"),
    ):
        assert told in said
    assert digest in demo(fresh, environ)
    command = said.partition("run it with:  ")[2].strip()
    try:
        ran = subprocess.run(
            ["sh", "-c", command.replace("run --rm", "run --rm --network=none")],
            cwd=fresh,
            env={**environ, **dockerd.environ, "PATH": f"{without_podman}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        assert "Hello" in ran.stdout
    finally:
        dockerd.run("image", "rm", "--force", "hello:demo")
