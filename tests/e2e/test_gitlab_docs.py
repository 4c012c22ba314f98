"""Pipelines of docs/gitlab.md as they stand there, read by real gitlab-ci-local with the component that they name; some of them run.

It judges each as a whole: its own schema of GitLab's takes it, with the component's job merged into it, and every job that is
in the pipeline finds those that it needs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from tests.rendering.gitlab_docs import PIPELINES, ROOT
from tests.testbed.gitlab import SERVER, GitLab
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

BRANCH = {"CI_COMMIT_BRANCH": "dev", "CI_COMMIT_REF_NAME": "dev"}
MERGE_REQUEST = {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_IID": "7"}
README = "the line of the README"

READ: dict[tuple[str, ...], list[tuple[dict[str, str], str]]] = {
    (
        *("Minimal", "Minimal 2", "Minimal 4", README, "Private flake inputs", "Private flake inputs 2"),
        *(
            "Built by other machines",
            "On a schedule",
            "To another registry",
            "With caches",
            "On an instance of your own",
        ),
    ): [({"CI_PIPELINE_SOURCE": "schedule"}, " ".join(f"flakeship{number or ''}" for number in range(11)))],
    ("Minimal 3",): [({}, "flakeship test")],
    ("What it hands on", "Rollback"): [
        ({}, "flakeship deploy flakeship1 production"),
        ({"ROLL_BACK_TO": "r/a@sha256:0"}, "flakeship deploy production"),
        (BRANCH, "flakeship flakeship1"),
    ],
    ("With environments", "With child pipelines"): [
        ({}, "flakeship production flakeship1 deploy"),
        (BRANCH, "flakeship review stop-review flakeship1 deploy"),
    ],
    ("With child pipelines 2", "With child pipelines 4"): [(MERGE_REQUEST, "api production")],
    ("With child pipelines 3", "Without the component", "Several architectures 3"): [
        ({}, "api web ship plan images")
    ],
    ("What a merge request changes",): [(MERGE_REQUEST, "flakeship compare")],
    ("With caches 3",): [({}, "flakeship"), ({"CI_PIPELINE_SOURCE": "schedule"}, "flakeship prune")],
    ("Several architectures 2",): [({}, "flakeship merge-api merge-web deploy")],
}
"""Pipelines that are read together, by what they are started, and the jobs that there are then; the others are run below."""

RUN = {"Several images", "Several images 2", "Merge requests", "Several architectures", "With caches 2"}


def test_each_pipeline_is_read_or_run() -> None:
    assert sorted(name for names in READ for name in names if name != README) == sorted(
        PIPELINES.keys() - RUN
    )


def pipeline(name: str) -> dict[str, Any]:
    """A pipeline as a project has it: what is only added to the component's job stands beside the component."""
    text = PIPELINES.get(name, "")
    if name == README:
        lines = (ROOT / "README.md").read_text().splitlines()
        (text,) = (line.split("`")[1] for line in lines if "`include:" in line)
    document = dict(yaml.safe_load(text))
    added = "script" not in text and "include" not in document and "trigger" not in text
    return yaml.safe_load(PIPELINES["Minimal"]) | document if added else document


def together(names: Sequence[str]) -> dict[str, Any]:
    """Several pipelines in one: starting gitlab-ci-local takes longer than what it reads. The job of the second is flakeship1."""
    whole: dict[str, Any] = {"include": []}
    for number, name in enumerate(names):
        own = pipeline(name)
        ships = f"flakeship{number or ''}"
        for entry in own.pop("include", []):
            given = entry.setdefault("inputs", {})
            named = {} if "/merge@" in entry.get("component", "") else {"job-name": ships}
            whole["include"].append({**entry, "inputs": {**named, **given}})
        for key, value in own.items():
            job = ships if key == "flakeship" else key
            assert whole.setdefault(job, value) == value, f"{name} has another {key}"
            if isinstance(value, dict) and "needs" in value:
                value["needs"] = [_renamed(need, ships) for need in value["needs"]]
    return whole


def _renamed(need: Any, ships: str) -> Any:
    if isinstance(need, dict):
        return need | {"job": ships}
    return ships if need == "flakeship" else need


@pytest.fixture
def project(gitlab_projects: Path, git: Callable[..., str], flakeship_project: None, tmp_path: Path) -> Path:
    """A project on a server that has a mirror of ours too."""
    (gitlab_projects / "mirrors").symlink_to(gitlab_projects / "flakeship")
    folder = tmp_path / "app"
    git(tmp_path, "init", "-q", "-b", "main", str(folder))
    git(folder, "commit", "-q", "--allow-empty", "-m", "pipeline")
    git(folder, "remote", "add", "origin", f"{SERVER}/harbour/app.git")
    return folder


@pytest.mark.parametrize(
    ("names", "variables", "wanted"),
    [
        pytest.param(names, *case, id=f"{names[0]} {number}")
        for names, cases in READ.items()
        for number, case in enumerate(cases)
    ],
)
def test_a_pipeline_has_its_jobs(
    names: tuple[str, ...],
    variables: dict[str, str],
    wanted: str,
    gitlab_reader: GitLab,
    project: Path,
) -> None:
    (project / ".gitlab-ci.yml").write_text(yaml.safe_dump(together(names)))

    run = gitlab_reader(project, "--list-json", "--evaluate-rule-changes=false", **variables)

    assert run.returncode == 0, str(run)
    jobs = {job["name"]: job for job in json.loads(run.log[run.log.index("\n[\n") :])}
    there = {name for name, job in jobs.items() if job["when"] != "never"}
    assert {name.partition(":")[0] for name in there} == set(wanted.split()), (
        "the jobs of a matrix count as one"
    )
    needed = {need["job"] for name in there for need in jobs[name].get("needs") or [] if not need["optional"]}
    assert needed <= set(wanted.split())


Ran: TypeAlias = Callable[..., tuple[str, Path]]


@pytest.fixture
def ran(
    gitlab: GitLab,
    make_flake: Callable[..., Path],
    git: Callable[..., str],
    flakeship_project: None,
    action_image: str,
) -> Ran:
    """`ran(name, CI_REGISTRY="…")` runs the pipeline as a user of gitlab-ci-local does, who does not pass for GitLab.

    What is not here has a stand-in: the attributes of the flake, the image of the job, and kubectl, which prints what it is told.
    """

    def run(name: str, **variables: str) -> tuple[str, Path]:
        folder = make_flake()
        git(folder, "remote", "add", "origin", f"{SERVER}/harbour/app.git")
        text = PIPELINES[name].replace("alpine/k8s:1.33.4", action_image)
        for attribute, ours in {"image": "layered", "api": "layered", "web": "layered-plain"}.items():
            text = text.replace(f".#{attribute}\n", f".#{ours}\n")
        document = yaml.safe_load(text)
        for entry in document["include"]:
            entry["inputs"]["job-image"] = action_image
        for job in document.values():
            if isinstance(job, dict) and job.get("image") == action_image:
                job["image"] = {"name": action_image, "entrypoint": [""]}
        document["default"] = {"before_script": ['kubectl() { echo "kubectl $*"; }']}
        (folder / ".gitlab-ci.yml").write_text(yaml.safe_dump(document))
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "pipeline")
        (folder / "salt").write_text("changed since")
        done = gitlab(folder, GITLAB_CI="", NIX_CONFIG="substituters =", **variables)
        assert done.returncode == 0, str(done)
        return str(done), folder

    return run


def test_several_images_are_deployed_each_by_its_variable(ran: Ran, registry: Registry) -> None:
    """With the one variable that gitlab-ci-local needs. Nothing is kept where nothing is cached."""
    log, folder = ran("Several images", CI_REGISTRY=registry.host)
    for name in ("api", "web"):
        digest = registry.digest(f"harbour/app/{name}", "main")
        told = f"kubectl set image deployment/{name} {name}={registry.host}/harbour/app/{name}@{digest}"
        assert f"> {told}\n" in log
    assert "cache" not in log.replace("nix-cache", "")
    assert "no matching files" not in log
    documents = json.loads((folder / "flakeship-report" / "metadata.json").read_text())
    revision = documents["api"]["flakeship.labels"]["org.opencontainers.image.revision"]
    assert revision.endswith("-dirty"), "what was built is no commit"


@pytest.mark.long
@pytest.mark.timeout(900)
def test_jobs_of_a_matrix_hand_on_a_variable_each(
    ran: Ran, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = PIPELINES["Several images 2"].replace(".#$NAME", ".#$ATTRIBUTE")
    apart = "NAME: api\n        ATTRIBUTE: layered\n      - NAME: web\n        ATTRIBUTE: layered-plain\n"
    monkeypatch.setitem(PIPELINES, "Several images 2", text.replace("NAME: [api, web]\n", apart))
    log, _ = ran("Several images 2", CI_REGISTRY=registry.host)
    assert registry.digest("harbour/app/api", "main") != registry.digest("harbour/app/web", "main")
    for name in ("api", "web"):
        digest = registry.digest(f"harbour/app/{name}", "main")
        told = f"kubectl set image deployment/{name} {name}={registry.host}/harbour/app/{name}@{digest}"
        assert f"> {told}\n" in log


def test_a_merge_request_is_built_and_sent_nowhere(ran: Ran) -> None:
    """So it needs no registry either."""
    log, folder = ran("Merge requests", **MERGE_REQUEST)
    assert "NOT PUSHED: `push` is false" in log
    variables = (folder / "flakeship-report" / "shipped.env").read_text().splitlines()
    assert "SHIPPED_PUSHED=false" in variables
    assert "SHIPPED_REF=" in variables


@pytest.mark.long
@pytest.mark.timeout(900)
def test_what_one_pipeline_built_the_next_takes_from_gitlabs_cache(
    ran: Ran, gitlab: GitLab, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each job is a container with an empty store of its own. `reuse` is off, since the second would find the image published.

    A package is published, since the archive of an image is not kept.
    """
    text = PIPELINES["With caches 2"].replace("flake: .#image\n", 'flake: .#hello\n      reuse: "off"\n')
    monkeypatch.setitem(PIPELINES, "With caches 2", text)
    log, folder = ran("With caches 2", CI_REGISTRY=registry.host)
    name = "the cache oci:/builds/harbour/app/.nix-cache"
    assert f"Nix: 1 derivation built here; 2 new in {name} (" in log, log

    again = gitlab(folder, GITLAB_CI="", NIX_CONFIG="substituters =", CI_REGISTRY=registry.host)

    assert again.returncode == 0, str(again)
    assert f"Nix: 1 path from {name}; nothing new in {name}\n" in str(again), str(again)
    assert "building '/nix/store/" in log
    assert "building '/nix/store/" not in str(again)
    assert registry.digest("harbour/app", "main") in log, "another image came of it"


@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_jobs_push_by_digest_and_a_third_merges(
    ran: Ran, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platforms are stated and not built: this machine has one processor."""
    text = PIPELINES["Several architectures"]
    text = text.replace("platforms: $PLATFORM", "override-platform: $PLATFORM")
    monkeypatch.setitem(PIPELINES, "Several architectures", text.replace("  tags: [$RUNNER]\n", ""))
    log, folder = ran("Several architectures", CI_REGISTRY=registry.host)
    index = registry.manifest("harbour/app", "main")
    assert index, log
    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["amd64", "arm64"]
    assert registry.tags("harbour/app") == ["main"]
    variables = (folder / "flakeship-merged" / "shipped.env").read_text()
    assert f"SHIPPED_REF={registry.host}/harbour/app@{registry.digest('harbour/app', 'main')}\n" in variables
    assert "the run is not compared" not in log
