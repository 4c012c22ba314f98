"""Real act runs workflows that use the action, with its real Dockerfile and a real registry."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import ACTION, Act
from tests.e2e.docs_workflows import loaded, shown
from tests.testbed.docker import Docker
from tests.testbed.github_runner import outputs
from tests.testbed.registry import Registry

RECORDED = Path(__file__).parent / "recorded/metadata-action-6.2.0.txt"
"""What docker/metadata-action 6.2.0 wrote for a push of the tag v1.2.3, with levels manifest and index; it is run by the
runner's Node, which act would have to fetch.
"""

NO_CACHES = {"nix-config": "substituters =\n"}


def commit(folder: Path, git: Callable[..., str], document: object) -> None:
    """Add a workflow to the repository in `folder`, which gets a remote, as a checkout has."""
    path = folder / ".github" / "workflows" / "ship.yml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(document) if not isinstance(document, str) else document)
    git(folder, "remote", "add", "origin", "https://github.com/octo/app.git")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "ship")


def workflow(*steps: dict[str, Any]) -> dict[str, Any]:
    job = {"runs-on": "ubuntu-latest", "steps": [{"uses": "actions/checkout@v4"}, *steps]}
    return {"on": "push", "jobs": {"ship": job}}


def config(registry: Registry, repository: str, tag: str) -> dict[str, Any]:
    manifest = registry.manifest(repository, tag)
    assert manifest is not None
    blob = registry.blob(repository, manifest["config"]["digest"])
    assert blob is not None
    return dict(json.loads(blob))


def said(run: object) -> list[str]:
    return str(run).splitlines()


def test_outputs_of_metadata_action_are_taken_verbatim(
    act: Act, registry: Registry, make_flake: Callable[..., Path], git: Callable[..., str]
) -> None:
    folder, owner = make_flake(), registry.new_repository()
    recorded = RECORDED.read_text().replace("registry.example", f"{registry.host}/{owner}")
    (folder / "recorded").write_text(recorded)
    document = loaded(shown("## With docker/metadata-action"), "", image="layered")
    steps = document["jobs"]["image"]["steps"]
    assert steps[1]["uses"].startswith("docker/metadata-action@")
    steps[1] = {"id": steps[1]["id"], "run": 'cat recorded >>"$GITHUB_OUTPUT"'}
    steps[2]["id"] = "ship"
    steps.append({"run": "echo tags=$TAGS", "env": {"TAGS": "${{ steps.ship.outputs.tags }}"}})
    commit(folder, git, document)

    run = act(folder)

    assert run.returncode == 0, run
    expected, repository = outputs(recorded), f"{owner}/octo/app"
    names = expected["tags"].splitlines()
    assert sorted(registry.tags(repository)) == sorted(name.rpartition(":")[2] for name in names)
    assert len({registry.digest(repository, name.rpartition(":")[2]) for name in names}) == 1
    labels = config(registry, repository, "latest")["config"]["Labels"]
    wanted = dict(line.split("=", 1) for line in expected["labels"].splitlines())
    assert {key: labels[key] for key in wanted} == wanted
    manifest = registry.manifest(repository, "latest")
    assert manifest
    for line in expected["annotations"].splitlines():
        level, _, note = line.partition(":")
        key, _, value = note.partition("=")
        if level == "manifest":
            assert manifest["annotations"][key] == value
    assert f"tags={' '.join(names)}" in said(run)


def test_inputs_hold_anything_and_secrets_are_masked(
    act: Act, registry: Registry, make_flake: Callable[..., Path], git: Callable[..., str]
) -> None:
    folder, repository = make_flake(), registry.new_repository()
    labels = "a=$HOME `x` \"y\" 'z'\nb=-- --b\nc=🚢\nd=::set-output name=digest::evil\ne=x%0Ay"
    given = {
        "flake": ".#layered",
        "tags": f"{registry.host}/{repository}:1.0\n{registry.host}/{repository}:latest\n",
        "labels": labels,
        "username": "me",
        "password": "hunter2\nhunter3",
        "compression": "gzip",
        **NO_CACHES,
    }
    later = {
        "id": "later",
        "run": 'test "$DIGEST" = "$(echo "$DIGEST" | grep ^sha256:)" && echo "hunter3 is masked"',
    }
    commit(
        folder,
        git,
        workflow(
            {"id": "ship", "uses": ACTION, "with": given},
            later | {"env": {"DIGEST": "${{ steps.ship.outputs.digest }}"}},
        ),
    )

    run = act(folder, "--env", "FLAKESHIP_COMPRESSION=zstd")

    assert run.returncode == 0, run
    manifest = registry.manifest(repository, "1.0")
    assert manifest
    assert manifest["layers"][0]["mediaType"].endswith("+zstd"), "what act's user says wins over the workflow"
    found = config(registry, repository, "latest")["config"]["Labels"]
    assert "\n".join(f"{key}={found[key]}" for key in "abcde") == labels
    assert "evil" not in {line.get("arg") for line in run.commands("set-output")}
    assert "*** is masked" in said(run)


@pytest.fixture
def machine_with_nix(dockerd: Docker, base_image: str, action_image: str, checkout: Path) -> Iterator[str]:
    """A runner's machine that has Nix, git and Python: a stage of our Dockerfile, whose layers `action_image` has left."""
    tag = "flakeship-test:nix"
    arguments = (
        "--network",
        "host",
        "--build-arg",
        f"BASE={base_image}",
        "--target",
        "package",
        "--tag",
        tag,
    )
    dockerd("build", *arguments, str(checkout), timeout=280)
    yield tag
    dockerd("image", "rm", "--force", tag)


def test_the_native_action_uses_the_nix_of_the_runner(
    act: Act,
    registry: Registry,
    make_flake: Callable[..., Path],
    git: Callable[..., str],
    machine_with_nix: str,
) -> None:
    folder, repository = make_flake(), registry.new_repository()
    document = loaded(shown("## Every night"), f"{registry.host}/{repository}", image="layered")
    steps = document["jobs"]["image"]["steps"]
    assert steps.pop(1)["uses"].startswith("cachix/install-nix-action@"), "this machine has it"
    assert steps[-1]["uses"] == ACTION.replace("@", "/native@")
    steps[-1] |= {"id": "ship", "with": steps[-1]["with"] | {"metadata-file": "out/meta.json"}}
    after = "echo digest=${{ steps.ship.outputs.digest }}; echo id=${{ steps.ship.outputs.imageid }}; ls out"
    steps.append({"run": after})
    commit(folder, git, document)

    run = act(folder, event="schedule", image=machine_with_nix)

    assert run.returncode == 0, run
    assert f"digest={registry.digest(repository, 'nightly')}" in said(run)
    manifest = registry.manifest(repository, "nightly")
    assert manifest
    assert f"id={manifest['config']['digest']}" in said(run)
    assert "meta.json" in said(run)
    assert run.commands("summary")
    assert len(registry.tags(repository)) == 2, "of this day, too"
