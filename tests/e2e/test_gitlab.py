"""Real gitlab-ci-local runs pipelines that include the component, in the action's real image, with a real registry."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.testbed.docker import Docker
from tests.testbed.gitlab import ROOT, SERVER, GitLab, PipelineRun, check_schema
from tests.testbed.registry import Registry

COMPONENT = "$CI_SERVER_FQDN/flakeship/flakeship/flakeship"
LABELS = """\
org.example.team=harbour, north
org.example.price=5$ of $HOME and $$ in "${CI_PROJECT_NAME}" 'quoted' \\ ⚓
org.example.nested=$[[ inputs.flake ]] and %PATH% `id` $(id) \\0 \\\\n
org.example.dash=--flake=.#evil
org.example.command=::set-output name=x::y
"""
MANY = "".join(f"org.example.n{number}=$$ {number}\n" for number in range(300))
"""More than an input may hold."""
RULES = """\
type=semver,pattern={{major}}.{{minor}},value=v1.2.3
type=edge
type=ref,event=branch,suffix=-{{is_default_branch}}
type=ref,event=mr
type=schedule
type=raw,value=latest,enable={{is_default_branch}}
type=sha
"""


@pytest.fixture
def project(make_flake: Callable[..., Path], git: Callable[..., str]) -> Callable[..., Path]:
    """`project(include, job={…})` is a project with a flake and a pipeline: what is included, and a job that reads it."""

    def make(include: dict[str, Any], **jobs: Any) -> Path:
        folder = make_flake()
        git(folder, "remote", "add", "origin", f"{SERVER}/harbour/app.git")
        pipeline = {"stages": ["build", "deploy"], "include": [include], **jobs}
        (folder / ".gitlab-ci.yml").write_text(yaml.safe_dump(pipeline))
        return folder

    return make


@pytest.fixture
def ships(
    gitlab: GitLab, git: Callable[..., str], action_image: str, basic_registry: Registry
) -> Callable[..., tuple[PipelineRun, Registry, str]]:
    """Run a project's pipeline, with the registry as GitLab's own: the run, and where the project's images are."""

    def run(folder: Path, *arguments: str) -> tuple[PipelineRun, Registry, str]:
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "ship")
        repository = basic_registry.new_repository()
        done = gitlab(
            folder,
            *arguments,
            CI_REGISTRY=basic_registry.host,
            CI_REGISTRY_IMAGE=f"{basic_registry.host}/{repository}",
            CI_REGISTRY_USER=basic_registry.username,
            CI_REGISTRY_PASSWORD=basic_registry.password,
        )
        return done, basic_registry, repository

    return run


def deploy(image: str) -> dict[str, Any]:
    """A job that reads what was handed over."""
    names = ("SHIPPED_DIGEST", "SHIPPED_REF", "SHIPPED_IMAGEID", "SHIPPED_PUSHED")
    script = [f'echo "{name}=<${name}>"' for name in names]
    return {
        "stage": "deploy",
        "image": {"name": image, "entrypoint": [""]},
        "needs": ["flakeship"],
        "script": [*script, "cat flakeship-report/metrics.txt"],
    }


def inputs(image: str, **more: str) -> dict[str, Any]:
    return {
        "job-image": image,
        "flake": ".#layered",
        "nix-config": "substituters =\n",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


def config(registry: Registry, repository: str, tag: str) -> dict[str, Any]:
    manifest = registry.manifest(repository, tag)
    assert manifest is not None
    blob = registry.blob(repository, manifest["config"]["digest"])
    assert blob is not None
    return dict(json.loads(blob)["config"])


def test_a_pipeline_ships_and_a_later_job_reads_what(
    project: Callable[..., Path],
    ships: Callable[..., tuple[PipelineRun, Registry, str]],
    flakeship_project: None,
    action_image: str,
) -> None:
    tags = "$CI_REGISTRY_IMAGE:1.0\n$CI_REGISTRY_IMAGE:latest\n"
    odd = {"labels": LABELS, "workdir": "/srv/$$x", "env": "PRICE=$$ $HOME"}
    given = inputs(action_image, tags=tags, lint="off", **odd)
    include = {"component": f"{COMPONENT}@1.2.0", "inputs": given}
    annotations = {"FLAKESHIP_ANNOTATIONS": {"value": MANY, "expand": False}}
    folder = project(include, deploy=deploy(action_image), flakeship={"variables": annotations})

    run, registry, repository = ships(folder)

    assert run.returncode == 0, str(run)
    assert registry.tags(repository) == ["1.0", "latest"]
    digest = registry.digest(repository, "latest")
    manifest = registry.manifest(repository, "1.0")
    assert manifest is not None
    printed = run.printed("deploy")
    assert f"SHIPPED_DIGEST=<{digest}>" in printed
    assert f"SHIPPED_REF=<{registry.host}/{repository}@{digest}>" in printed
    assert f"SHIPPED_IMAGEID=<{manifest['config']['digest']}>" in printed
    assert "SHIPPED_PUSHED=<true>" in printed
    layers = len(manifest["layers"])
    assert f'flakeship_image_layers{{job="flakeship"}} {layers}' in printed
    container = config(registry, repository, "1.0")
    found = container["Labels"]
    assert container["WorkingDir"] == "/srv/$x"
    assert "PRICE=$$ $HOME" in container["Env"]
    assert found.items() >= dict(line.split("=", 1) for line in LABELS.splitlines()).items()
    assert manifest["annotations"].items() >= dict(line.split("=", 1) for line in MANY.splitlines()).items()
    assert found["org.opencontainers.image.source"] == f"{SERVER}/harbour/app"


def test_the_component_of_the_same_project_needs_no_tags(
    project: Callable[..., Path],
    ships: Callable[..., tuple[PipelineRun, Registry, str]],
    action_image: str,
) -> None:
    """The branch names the tag, and CI_REGISTRY_IMAGE the image."""
    include = {
        "component": "$CI_SERVER_FQDN/$CI_PROJECT_PATH/flakeship@$CI_COMMIT_SHA",
        "inputs": inputs(action_image)
        | {"job-name": "ship it", "job-stage": "deploy", "layer-cache": ".flakeship"},
    }
    folder = project(include, **{"ship it": {"cache": {"key": "flakeship", "paths": [".flakeship"]}}})
    (folder / "templates").mkdir()
    shutil.copy(ROOT / "templates" / "flakeship.yml", folder / "templates")

    run, registry, repository = ships(folder)

    assert run.returncode == 0, str(run)
    assert registry.tags(repository) == ["main"]
    assert any("uploaded" in line for line in run.printed("ship it"))
    assert list((folder / ".gitlab-ci-local" / "cache").rglob("*.flakeship/*"))
    report = folder / "flakeship-report"
    assert registry.digest(repository, "main") in (report / "summary.md").read_text()
    metadata = json.loads((report / "metadata.json").read_text())
    assert all((report / f"metadata-picture.{form}").is_file() for form in ("svg", "html"))
    assert metadata["containerimage.digest"] == registry.digest(repository, "main")


def test_the_same_text_is_included_as_a_file(
    project: Callable[..., Path],
    ships: Callable[..., tuple[PipelineRun, Registry, str]],
    flakeship_project: None,
    action_image: str,
    git: Callable[..., str],
) -> None:
    include = {
        "project": "flakeship/flakeship",
        "ref": "1.2.0",
        "file": "gitlab-component.yml",
        "inputs": inputs(action_image, tags=RULES, flavor="latest=false\n", labels="at={{branch}}-{{sha}}\n"),
    }
    folder = project(include)
    run, registry, repository = ships(folder)

    assert run.returncode == 0, str(run)
    sha = git(folder, "rev-parse", "HEAD").strip()[:7]
    assert registry.tags(repository) == ["1.2", "edge", "latest", "main-true", f"sha-{sha}"]
    assert len({registry.digest(repository, tag) for tag in registry.tags(repository)}) == 1
    assert config(registry, repository, "edge")["Labels"]["at"] == "{{branch}}-{{sha}}"  # a label is text


def test_a_failure_fails_the_job_and_leaves_its_reason(
    project: Callable[..., Path],
    ships: Callable[..., tuple[PipelineRun, Registry, str]],
    flakeship_project: None,
    action_image: str,
) -> None:
    """And nothing of an earlier job's report, whose artifacts are there."""
    given = inputs(action_image) | {"flake": ".#no-such-attribute"}
    include = {"component": f"{COMPONENT}@1.2.0", "inputs": given}
    folder = project(include, deploy=deploy(action_image))
    earlier = folder / "flakeship-report" / "shipped.env"
    earlier.parent.mkdir()
    earlier.write_text("SHIPPED_REF=earlier\n")
    run, registry, repository = ships(folder)

    assert run.returncode != 0
    assert "no-such-attribute" in str(run)
    told = [path.read_text() for path in (folder / ".gitlab-ci-local" / "artifacts").rglob("shipped.env")]
    assert told, "as an artifact, and as a report"
    assert all("SHIPPED_REF=\n" in each and "SHIPPED_PUSHED=false\n" in each for each in told)
    assert not run.printed("deploy")
    assert registry.tags(repository) == []


@pytest.fixture
def own_project(checkout: Path, tmp_path: Path, git: Callable[..., str]) -> Path:
    """What git knows of this project, at the server's flakeship/flakeship."""
    folder = tmp_path / "own"
    shutil.copytree(checkout, folder)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "remote", "add", "origin", f"{SERVER}/flakeship/flakeship.git")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all")
    return folder


@pytest.fixture
def own_registry(
    own_project: Path, git: Callable[..., str], dockerd: Docker, action_image: str, registry: Registry
) -> Iterator[str]:
    """CI_REGISTRY_IMAGE of our own project, whose pipeline has made the action's image already."""
    name = f"{registry.host}/{registry.new_repository()}"
    made = f"{name}/action:{git(own_project, 'rev-parse', 'HEAD').strip()}"
    dockerd("tag", action_image, made)
    yield name
    dockerd("image", "rm", "--no-prune", made)


def test_our_own_pipeline_ships_the_example_and_checks_it(
    gitlab: GitLab, own_project: Path, own_registry: str, registry: Registry
) -> None:
    """But for the jobs that need what is not here: an image of docker's, and one of GitLab's."""
    variables = {
        "CI_REGISTRY": registry.host,
        "CI_REGISTRY_IMAGE": own_registry,
        "NIX_CONFIG": "substituters =",
    }
    run = gitlab(own_project, "flakeship", "check", **variables)
    assert run.returncode == 0, str(run)
    (tag,) = registry.tags(f"{own_registry.partition('/')[2]}/demo")
    assert tag.startswith("sha-")
    assert any(
        registry.digest(f"{own_registry.partition('/')[2]}/demo", tag) in line
        for line in run.printed("check")
    )


@pytest.mark.slow
def test_our_own_pipeline_fits_gitlabs_schema() -> None:
    check_schema(ROOT / ".gitlab-ci.yml")


def test_the_job_is_what_its_inputs_say(
    gitlab: GitLab,
    project: Callable[..., Path],
    git: Callable[..., str],
    flakeship_project: None,
    tmp_path: Path,
) -> None:
    """And what a job of the same name adds. It fits GitLab's schema. Its rules count: there is no tag."""
    given = {
        "job-name": "ship: it",
        "job-stage": "deploy",
        "job-image": "mirror.example/flakeship:1",
    }
    own = {
        "tags": ["saas-linux-small", "nix"],
        "rules": [{"if": "$CI_COMMIT_TAG"}, {"when": "manual", "if": "$NEVER"}],
        "needs": [],
        "timeout": "2h",
        "cache": [{"key": "x", "paths": [".flakeship"], "when": "always", "policy": "pull"}],
    }
    folder = project(
        {"component": f"{COMPONENT}@~latest", "inputs": given},
        default={"before_script": ["exit 1"], "services": ["docker:dind"], "cache": {"paths": ["x"]}},
        **{"ship: it": {**own, "variables": {"FLAKESHIP_LABELS": "ci=$CI_PIPELINE_URL"}}},
    )
    git(folder, "add", "-A")
    run = gitlab(folder, "--preview")
    assert run.returncode == 0, str(run)
    expanded = run.log[run.log.index("---\n") :]
    job = yaml.safe_load(expanded)["ship: it"]
    assert job["stage"] == "deploy"
    assert job.items() >= own.items()
    assert not {"before_script", "services"} & job.keys()
    assert job["image"] == {"name": given["job-image"], "entrypoint": [""]}
    assert job["variables"]["FLAKESHIP_AUTO_LABELS"].strip() == "true"
    assert job["variables"]["FLAKESHIP_LABELS"] == "ci=$CI_PIPELINE_URL"
    (tmp_path / "expanded.yml").write_text(expanded)
    check_schema(tmp_path / "expanded.yml")
    assert '"when": "never"' in str(gitlab(folder, "--list-json"))
