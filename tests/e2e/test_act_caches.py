"""Real act runs the recipes of docs/caches.md; each run begins with an empty store, as a runner of GitHub does.

The code of actions/cache is on GitHub and can't be had here: two local actions that keep a folder on this machine stand in for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Act
from tests.e2e.docs_workflows import ROOT, loaded, shown, together
from tests.e2e.test_act import commit, said
from tests.testbed.registry import Registry

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]

CACHES = (ROOT / "docs/caches.md").read_text()

RESTORE = """
[ -e "/kept/$KEY" ] && found=$KEY || found=$(ls -t /kept | grep "^$PREFIX" | head -n 1)
[ -z "$found" ] || cp -a "/kept/$found" "$FOLDER"
echo "restored ${found:-nothing}"
"""
SAVE = '[ -e "/kept/$KEY" ] || cp -a "$FOLDER" "/kept/$KEY"'


@pytest.fixture
def actions_cache(tmp_path: Path) -> tuple[str, ...]:
    """Flags for act: `restore` takes what has the key, else the newest of `restore-keys`; `save` replaces nothing."""
    given = {"KEY": "key", "PREFIX": "restore-keys", "FOLDER": "path"}
    folder = tmp_path / "actions-cache"
    for at, run in {"restore": RESTORE, "save": SAVE}.items():
        step = {
            "shell": "sh",
            "run": run,
            "env": {key: f"${{{{ inputs.{name} }}}}" for key, name in given.items()},
        }
        action = {"name": "cache", "inputs": {name: {} for name in given.values()}}
        (folder / at).mkdir(parents=True, exist_ok=True)
        (folder / at / "action.yml").write_text(
            json.dumps({**action, "runs": {"using": "composite", "steps": [step]}})
        )
    (tmp_path / "kept").mkdir()
    return (
        *("--local-repository", f"actions/cache@v4={folder}"),
        *("--container-options", f"--volume {tmp_path}/kept:/kept"),
    )


def recipe(heading: str, images: str) -> dict[str, Any]:
    """A package is published, since the archive of an image is not kept. `reuse` is off, since the second run would find it published."""
    document = loaded(shown(heading, CACHES), images, image="hello")
    (ours,) = (step for step in document["jobs"]["image"]["steps"] if step["uses"].startswith("flakeship/"))
    ours["with"]["reuse"] = "off"
    return document


def test_what_one_run_built_the_next_takes_from_each_cache(
    act: Act,
    registry: Registry,
    make_flake: Callable[..., Path],
    git: Callable[..., str],
    actions_cache: tuple[str, ...],
) -> None:
    """Also what it built that failed afterwards."""
    folder, owner = make_flake(), registry.new_repository()
    images = f"{registry.host}/{owner}"
    kept = recipe("## In a folder", f"{images}/folder")
    kept["jobs"]["image"]["steps"].insert(-1, {"run": "exit 3"})
    commit(folder, git, together(folder=kept, registry=recipe("## In the registry", f"{images}/registry")))
    names = (".nix-cache", f"the cache {images}/registry/nix-cache")

    first = act(folder, *actions_cache, "--env", "GITHUB_RUN_ID=101", event="workflow_dispatch")

    assert first.returncode != 0, first
    assert "restored nothing" in said(first)
    built = [line for line in said(first) if "Nix: 1 derivation built here; 2 new in " in line]
    assert [[name in line for line in built].count(True) for name in names] == [1, 1], first
    assert {"main"} == {*registry.tags(f"{owner}/folder"), *registry.tags(f"{owner}/registry")}, first

    second = act(folder, *actions_cache, "--env", "GITHUB_RUN_ID=102", event="workflow_dispatch")

    assert any(line.startswith("restored nix-cache-") and "-101-" in line for line in said(second)), second
    taken = [line for line in said(second) if "Nix: 1 path from " in line and "; nothing new in " in line]
    assert [[name in line for line in taken].count(True) for name in names] == [1, 1], second
    assert "building '/nix/store/" not in str(second)
