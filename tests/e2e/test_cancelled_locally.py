"""A signal while an image gets its names on this machine, sent from within: these moments are too short to meet from without."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.e2e.starting import entries
from tests.testbed.docker import Docker
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

WHOLE = "error: cancelled by signal 15; all tags of the image are set\n"
SCRIPT = """\
import os
from {module} import {owner}
plain, called = {owner}.{method}, []
def interrupted(*arguments, **named):
    called.append(1)
    if len(called) == {call}: os.kill(os.getpid(), {number})
    return plain(*arguments, **named)
{owner}.{method} = interrupted
from flakeship.__main__ import entry
entry()
"""
LAYOUT = ("flakeship.destinations.oci_layout.destination", "LayoutDestination")
FOLDER = ("flakeship.destinations.oci_layout.folder", "LayoutFolder")
ENGINE = ("flakeship.engines.load", "Load")

Interrupted: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def interrupted(nix_environ: Mapping[str, str], archive: Path, tmp_path: Path) -> Interrupted:
    """Publish an image with these flags; SIGTERM comes as a method is called for the `call`th time."""

    def run(
        place: tuple[str, str], method: str, *flags: str, call: int = 1, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        module, owner = place
        script = SCRIPT.format(
            module=module, owner=owner, method=method, call=call, number=int(signal.SIGTERM)
        )
        command = [sys.executable, "-c", script, "publish", "--source", str(archive), *flags]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env={**nix_environ, **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    return run


def test_between_two_names_of_a_layout(interrupted: Interrupted, tmp_path: Path) -> None:
    ended = interrupted(FOLDER, "put_entry", "--to", "oci:x:a\noci:x:b", call=2)
    assert ended.returncode == 143
    assert ended.stderr.endswith(f"{WHOLE}    set: oci:{tmp_path}/x:b\n    set: oci:{tmp_path}/x:a\n")
    assert entries(tmp_path / "x") == ["a", "b"]


def test_before_the_first_name_of_a_layout(interrupted: Interrupted, tmp_path: Path) -> None:
    """Its manifest is there already, and another's entry stays."""
    interrupted(FOLDER, "put_entry", "--to", "oci:x:old", call=9)
    ended = interrupted(LAYOUT, "_blobs", "--to", "oci:x:a\noci:x:b", "--labels", "a=b", call=2)
    assert ended.returncode == 143
    assert ended.stderr.endswith("error: cancelled by signal 15; no tag was set\n")
    assert entries(tmp_path / "x") == ["old"]


def test_while_an_engine_names_what_it_loaded(
    interrupted: Interrupted, dockerd: Docker, registry: Registry
) -> None:
    """The engine sets both names when it has read all, and the registry's tags come after."""
    repository = registry.new_repository()
    names = [f"{registry.host}/{repository}:{tag}" for tag in ("one", "two")]
    try:
        flags = ("--tags", "\n".join(names), "--load", "docker")
        ended = interrupted(ENGINE, "finish", *flags, DOCKER_HOST=dockerd.host)
        assert ended.returncode == 143, ended.stderr
        assert WHOLE in ended.stderr
        for name in names:
            assert f"    set: docker-daemon:{name}\n" in ended.stderr
            assert f"    set: {name}@sha256:" in ended.stderr
            assert json.loads(dockerd("image", "inspect", name))
        assert registry.tags(repository) == ["one", "two"]
    finally:
        for name in names:
            dockerd.run("image", "rm", "--force", name)
