"""Real act runs a workflow that uses the action, with its real Dockerfile and a real registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from tests.e2e.conftest import ACTION, Act
from tests.testbed.registry import Registry


def workflow(folder: Path, **inputs: str) -> None:
    """A workflow of one job that ships, and then prints what the step handed over."""
    steps = [
        {"uses": "actions/checkout@v4"},
        {"id": "ship", "uses": ACTION, "with": inputs},
        {"run": 'echo "digest=${{ steps.ship.outputs.digest }}"'},
    ]
    document = {"on": "push", "jobs": {"ship": {"runs-on": "ubuntu-latest", "steps": steps}}}
    path = folder / ".github" / "workflows" / "ship.yml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(document))


def test_a_workflow_ships_a_flake_and_a_later_step_reads_the_digest(
    act: Act, registry: Registry, make_flake: Callable[..., Path], git: Callable[..., str]
) -> None:
    repository = registry.new_repository()
    folder = make_flake()
    workflow(
        folder,
        flake=".#layered",
        tags=f"{registry.host}/{repository}:1.0\n{registry.host}/{repository}:latest\n",
        labels="org.example.team=harbour, north\n",
        **{"nix-config": "substituters =\n"},
    )
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "ship")

    run = act(folder)

    assert run.returncode == 0, run
    digest = registry.digest(repository, "latest")
    assert f"digest={digest}" in str(run).splitlines()
    assert registry.digest(repository, "1.0") == digest
    manifest = registry.manifest(repository, "latest")
    assert manifest is not None
    config = registry.blob(repository, manifest["config"]["digest"])
    assert config is not None
    assert yaml.safe_load(config)["config"]["Labels"]["org.example.team"] == "harbour, north"
