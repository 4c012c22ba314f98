"""Real act runs a workflow in which the metadata action stands where docker/metadata-action did."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from flakeship.metadata.labels import PREFIX
from tests.e2e.conftest import ACTION, Act
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

EVENT = {
    "ref": "refs/tags/v1.2.3",
    "base_ref": "refs/heads/main",
    "repository": {
        "name": "app",
        "full_name": "octo/app",
        "html_url": "https://github.com/octo/app",
        "description": "ships a flake",
        "license": {"spdx_id": "MIT"},
        "default_branch": "main",
    },
}
NAMES = {
    "tags": "type=semver,pattern={{version}}\ntype=semver,pattern={{major}}.{{minor}}\n"
    "type=raw,value=from-{{base_ref}},priority=50\ntype=edge\n",
    "flavor": "suffix=-x,onlatest=false",
    "labels": "org.example.team=harbour, north\n",
}
TAGS = ["1.2-x", "1.2.3-x", "from-main-x", "latest"]


def marks(registry: Registry, repository: str) -> tuple[dict[str, str], dict[str, str]]:
    """Labels and annotations without the date, which metadata-action takes from the clock."""
    manifest = registry.manifest(repository, "latest")
    assert manifest
    blob = registry.blob(repository, manifest["config"]["digest"])
    assert blob
    labels: dict[str, str] = json.loads(blob)["config"]["Labels"]
    both = labels, manifest["annotations"]
    assert all(values.pop(f"{PREFIX}created") for values in both)
    return labels, {key: value for key, value in both[1].items() if key.startswith(PREFIX)}


def workflow(folder: Path, *steps: dict[str, Any]) -> None:
    job = {"runs-on": "ubuntu-latest", "steps": [{"uses": "actions/checkout@v4"}, *steps]}
    path = folder / ".github/workflows/ship.yml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump({"on": "push", "jobs": {"ship": job}}))
    (folder.parent / "event.json").write_text(json.dumps(EVENT))


def test_one_step_or_two_give_the_same_image_the_same_names(
    act: Act, registry: Registry, make_flake: Callable[..., Path], git: Callable[..., str]
) -> None:
    folder, one, two = make_flake(), registry.new_repository(), registry.new_repository()
    built = {"flake": ".#layered", "nix-config": "substituters =\n"}
    given = {name: f"${{{{ steps.meta.outputs.{name} }}}}" for name in ("tags", "labels", "annotations")}
    said = (
        'echo "version=$DOCKER_METADATA_OUTPUT_VERSION"',
        'echo "json=${{ fromJSON(steps.meta.outputs.json).tag-names[0] }}"',
        "cat ${{ steps.meta.outputs.bake-file }}",
    )
    workflow(
        folder,
        {
            "id": "meta",
            "uses": ACTION.replace("@", "/metadata@"),
            "with": {**NAMES, "images": f"{registry.host}/{two}", "explain": True},
        },
        {"run": "\n".join(said)},
        {"uses": ACTION, "with": {**built, **NAMES, "images": f"{registry.host}/{one}"}},
        {"uses": ACTION, "with": {**built, **given}},
    )
    git(folder, "remote", "add", "origin", "https://github.com/octo/app.git")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "ship")
    git(folder, "tag", "v1.2.3")

    run = act(folder, "--eventpath", str(folder.parent / "event.json"))

    assert run.returncode == 0, run
    lines = str(run).splitlines()
    assert {"version=1.2.3-x", "json=1.2.3-x"} <= set(lines), run
    assert f'"{registry.host}/{two}:1.2.3-x",' in {line.strip() for line in lines}, "the bake file is read"
    assert any(line.endswith("type=edge  (the run is not for a branch)") for line in lines), (
        "each rule is explained"
    )
    assert sorted(registry.tags(one)) == sorted(registry.tags(two)) == TAGS
    (labels, annotations), (others, other_annotations) = marks(registry, one), marks(registry, two)
    title = f"{PREFIX}title"
    assert labels == others | {title: "shapes"}, (
        "the image's own title yields to a label that the user writes"
    )
    assert annotations == other_annotations | {title: "shapes"}
    assert labels["org.example.team"] == "harbour, north"
    assert {key: others[PREFIX + key] for key in ("title", "description", "licenses", "version")} == {
        "title": "app",
        "description": "ships a flake",
        "licenses": "MIT",
        "version": "1.2.3-x",
    }
