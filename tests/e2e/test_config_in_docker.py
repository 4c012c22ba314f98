"""The table of docker's types against a docker: what it loads is taken, what it doesn't is refused, and both see the same."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from tests.image.config_rows import LOADED, NEW_IN_25, OTHERWISE, READ_TWICE, REFUSED
from tests.testbed.archive_shapes import archive
from tests.testbed.docker import Docker

pytestmark = pytest.mark.slow

Load: TypeAlias = Callable[[str], str]


@pytest.fixture
def load(dockerd: Docker, tmp_path: Path) -> Load:
    """Load an archive with this text as its `config`; return what docker has against it, empty for nothing."""

    def load(runtime: str) -> str:
        path = tmp_path / "image.tar"
        # text, because the order of keys counts, and because numbers have to stay as they are written
        document = json.loads(_config_of(archive()))
        document["config"] = "@"
        path.write_bytes(archive(text=json.dumps(document).replace('"@"', runtime).encode()))
        done = dockerd.run("load", "--quiet", "--input", str(path))
        return done.stderr.decode() if done.returncode else ""

    return load


def _config_of(data: bytes) -> bytes:
    import io

    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest
        config = tar.extractfile(json.load(manifest)[0]["Config"])
        assert config
        return config.read()


def seen(dockerd: Docker) -> dict[str, Any]:
    """The runtime config as docker has it, without what is empty."""
    found = json.loads(dockerd("image", "inspect", "registry.example/shapes:1.0"))[0]["Config"] or {}
    return {key: value for key, value in found.items() if value not in (None, "", False, [])}


ONE_OF_EACH: Final = tuple((row, key) for key, row in {key: row for row, key in REFUSED}.items())
"""The last row of each key that is to blame: docker takes a while for a row."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "table", [ONE_OF_EACH, pytest.param(REFUSED, marks=pytest.mark.long)], ids=["one", "all"]
)
def test_what_is_refused_docker_can_not_load(
    load: Load, dockerd: Docker, table: tuple[tuple[Any, str], ...]
) -> None:
    version = dockerd("version", "--format", "{{.Server.Version}}")
    rows = [row for row, key in table if NEW_IN_25 not in key or int(version.partition(".")[0]) >= 25]
    assert [row for row in rows if "cannot unmarshal" not in load(json.dumps(row))] == []


@pytest.mark.timeout(300)
def test_what_is_taken_docker_loads(load: Load) -> None:
    rows = (*LOADED, *OTHERWISE)
    assert [row for row in rows if load(json.dumps(row))] == []


@pytest.mark.parametrize(("text", "read"), READ_TWICE)
def test_docker_reads_two_keys_that_are_one_alike(
    load: Load, dockerd: Docker, text: str, read: dict[str, Any]
) -> None:
    assert load(text) == ""
    known = {key: value for key, value in read.items() if key != "StopTimeout"}
    assert seen(dockerd) == known


def test_overrides_and_labels_are_what_docker_sees(load: Load, dockerd: Docker, tmp_path: Path) -> None:
    runtime = {
        "entrypoint": ["/app"],
        "env": ["A=flake"],
        "labels": {"version": "flake"},
        "exposedPORTS": {"1/tcp": {}},
    }
    assert load(json.dumps(runtime)) == ""
    flags = ("--entrypoint", '["/other"]', "--env", "A=ci", "--labels", "version=ci", "--expose", "2")
    to = ("--auto-labels", "false", "--to", "docker-archive:out.tar:registry.example/shapes:1.0")
    done = subprocess.run(
        [sys.executable, "-m", "flakeship", "publish", "--source", "image.tar", *flags, *to],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "neither an Entrypoint nor a Cmd" not in done.stderr
    dockerd("load", "--quiet", "--input", str(tmp_path / "out.tar"))
    config = seen(dockerd)
    assert (config["Entrypoint"], config["Env"], config["Labels"]["version"]) == (["/other"], ["A=ci"], "ci")
    assert config["ExposedPorts"] == {"1/tcp": {}, "2/tcp": {}}
