"""Over what an earlier run published, with other labels, overrides and dates, as from nothing: for every shape of a result."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.forging import Forged
from tests.e2e.publishing import runner
from tests.sources.stream_scripts import script_text
from tests.testbed import archives
from tests.testbed.nix import FLAKES, MakeFlake
from tests.testbed.registry import FaultProxy, Registry

pytestmark = pytest.mark.slow

Publish = Callable[..., str]

FIRST: Final = (
    *(
        "--labels=once=1\ntwice=1",
        "--annotations=once=1",
        "--env=ONCE=1",
        "--cmd=/bin/once",
        "--workdir=/once",
    ),
    *("--expose=81/tcp", "--volumes=/once", "--stop-signal=SIGINT", "--healthcheck=CMD /bin/true"),
    "--created=2001-02-03T04:05:06Z",
)
SHAPING: Final = ("--user=1000:100", "--entrypoint=/bin/once")
SECOND: Final = ("--labels=twice=2", "--env=A=2", "--cmd=/bin/two", "--created=0")


@pytest.fixture
def publish(nix_environ: Mapping[str, str], tmp_path: Path) -> Publish:
    run = runner(nix_environ, tmp_path)

    def published(*flags: str) -> str:
        done = run(*flags)
        assert done.returncode == 0, done.stderr
        return done.stderr

    return published


def documents(registry: Registry, repository: str, tag: str) -> tuple[Any, Any]:
    manifest = registry.manifest(repository, tag)
    assert manifest
    return manifest, json.loads(registry.blob(repository, manifest["config"]["digest"]) or b"")


@pytest.mark.parametrize(
    "shape",
    [
        "hello",
        "planned",
        *(pytest.param(shape, marks=pytest.mark.long) for shape in ("layered-plain", "image", "stream")),
    ],
)
def test_no_trace_of_an_earlier_run(
    publish: Publish, make_flake: MakeFlake, registry: Registry, tmp_path: Path, shape: str
) -> None:
    """The second run builds nothing; the third is after one whose inputs may shape layers, and does."""
    flake = planned(tmp_path) if shape == "planned" else f"{make_flake()}#{shape}"
    repository = registry.new_repository()
    name = f"{registry.host}/{repository}"
    publish("--flake", flake, "--tags", f"{name}:1", *FIRST)
    publish("--flake", flake, "--tags", f"{name}:new", *SECOND, "--reuse", "off")
    said = publish("--flake", flake, "--tags", f"{name}:1", *SECOND)
    assert "nothing is built" in said
    assert documents(registry, repository, "1") == documents(registry, repository, "new")
    publish("--flake", flake, "--tags", f"{name}:1", *FIRST, *SHAPING)
    publish("--flake", flake, "--tags", f"{name}:1", *SECOND)
    assert documents(registry, repository, "1") == documents(registry, repository, "new")


def planned(tmp_path: Path) -> str:
    folder = tmp_path / "planned"
    shutil.copytree(FLAKES / "stream", folder)
    text = (folder / "flake.nix").read_text()
    (folder / "flake.nix").write_text(text.replace('"now"', '"2001-01-01T00:00:00+00:00"'))
    (folder / "bin").mkdir()
    shutil.copy(archives.BUSYBOX, folder / "bin/busybox")
    (folder / "script.py").write_text(script_text())
    (folder / "text").write_text("one\n")
    return f"path:{folder}"


def swapped(manifest: Any, config: Any) -> None:
    """The keys of two layers."""
    one, other = [entry for entry in manifest["layers"] if entry.get("annotations")][:2]
    one["annotations"], other["annotations"] = other["annotations"], one["annotations"]
    config["author"] = "a liar"


@pytest.fixture
def forged(registry: Registry, proxy: FaultProxy, tmp_path: Path) -> Forged:
    return Forged(registry, proxy, tmp_path, [])


@pytest.mark.parametrize("shape", ["hello", "planned"])
def test_with_verify_keys_are_not_believed(
    publish: Publish, make_flake: MakeFlake, forged: Forged, tmp_path: Path, shape: str
) -> None:
    registry = forged.registry
    flake = planned(tmp_path) if shape == "planned" else f"{make_flake()}#{shape}"
    flags = ("--flake", flake, "--tags", f"{registry.host}/{forged.repository}:1", "--created", "0")
    publish(*flags)
    honest = registry.digest(forged.repository, "1")
    forged.forge(swapped, reseal=True)
    said = publish(*flags, "--reuse", "verify")
    assert registry.digest(forged.repository, "1") == honest
    assert " reading " in said
