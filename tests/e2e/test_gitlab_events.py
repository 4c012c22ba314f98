"""`flakeship publish` as GitLab's runner starts it: a shallow clone with a detached head, and what each kind of pipeline says of itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from flakeship.metadata.labels import PREFIX
from tests.metadata import events
from tests.testbed.command import Publish
from tests.testbed.registry import PASSWORD, USERNAME, Registry

pytestmark = pytest.mark.slow

FORK = {"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "8", "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "them/app"}
OWN = {"CI_REGISTRY_USER": USERNAME, "CI_REGISTRY_PASSWORD": PASSWORD}


@dataclass(frozen=True, slots=True)
class Job:
    """How a job ended, and what it left for others."""

    code: int
    log: str
    tags: list[str]
    report: Path
    sha: str

    @property
    def notices(self) -> list[str]:
        return [line for line in self.log.splitlines() if "is pushed" in line or ": NOT PUSHED" in line]

    @property
    def variables(self) -> dict[str, str]:
        lines = (self.report / "shipped.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    @property
    def metadata(self) -> dict[str, Any]:
        return dict(json.loads((self.report / "metadata.json").read_text()))

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.metadata["flakeship.labels"])


RunJob: TypeAlias = Callable[..., Job]


@pytest.fixture
def as_checked_out(git: Callable[..., str], tmp_path: Path) -> Callable[[Path], Path]:
    """What the runner makes of a repository: GIT_DEPTH=1, a detached head, no branch, the remote by a job's token."""

    def made(origin: Path) -> Path:
        folder = tmp_path / "checked-out"
        git(tmp_path, "clone", "-q", "--depth=1", f"file://{origin}", str(folder))
        git(folder, "checkout", "-q", "--detach")
        git(folder, "branch", "-q", "-D", "main")
        git(folder, "remote", "set-url", "origin", "https://gitlab-ci-token:canary@gitlab.com/octo/app.git")
        return folder

    return made


@pytest.fixture
def project(as_checked_out: Callable[[Path], Path], git: Callable[..., str], tmp_path: Path) -> Path:
    """A project of two commits that has nothing to build."""
    origin = tmp_path / "origin"
    git(tmp_path, "init", "-q", "-b", "main", str(origin))
    for message in ("first", "second"):
        git(origin, "commit", "-q", "--allow-empty", "-m", message)
    return as_checked_out(origin)


@pytest.fixture
def job(
    publish: Publish, project: Path, archive: Path, git: Callable[..., str], basic_registry: Registry
) -> RunJob:
    """`job("tag v1", variables={"CI_JOB_TOKEN": "…"}, tags="type=sha")`: a pipeline's kind, variables, inputs."""
    sha = git(project, "rev-parse", "HEAD").strip()

    def run(event: str, *, folder: Path = project, variables: Mapping[str, str] = OWN, **inputs: str) -> Job:
        repository = basic_registry.new_repository()
        given = {"source": "" if "flake" in inputs else str(archive), **inputs}
        predefined = {
            **(events.gitlab(event) or {}),
            "CI_COMMIT_SHA": sha,
            "CI_PROJECT_DIR": str(folder),
            "CI_REGISTRY": basic_registry.host,
            "CI_REGISTRY_IMAGE": f"{basic_registry.host}/{repository}",
            "SHIPPED_FOLDER": f"{folder}/flakeship-report",
            "FLAKESHIP_METADATA_FILE": "flakeship-report/metadata.json",
            **{f"FLAKESHIP_{name.upper()}": value for name, value in given.items()},
        }
        ended = publish(cwd=folder, **{**predefined, **variables})
        log = ended.stdout + ended.stderr
        assert PASSWORD not in log
        return Job(ended.code, log, basic_registry.tags(repository), folder / "flakeship-report", sha)

    return run


@pytest.mark.parametrize(
    ("event", "tags", "wanted"),
    [
        ("branch feature/Ünïcode_x", "", "feature-n-code_x"),
        ("tag v1.2.3", "", "latest v1.2.3"),
        ("tag v1.2.3", "type=semver,pattern={{version}}\ntype=ref,event=branch", "1.2.3 latest"),
        ("schedule main", "", "main nightly"),
        ("schedule main", "type=schedule,pattern={{date 'YYYY'}}", "2026"),
        ("pr 7 to main", "", "pr-7"),
        ("pr 7 to main", "type=ref,event=mr\ntype=edge", "mr-7"),
        ("dispatch main", "type=edge\ntype=sha", "edge sha-SHA"),
    ],
)
def test_each_kind_of_pipeline_has_its_tags(event: str, tags: str, wanted: str, job: RunJob) -> None:
    done = job(event, tags=tags)
    assert done.code == 0, done.log
    assert done.tags == wanted.replace("SHA", done.sha[:7]).split()
    wanted_labels = {"revision": done.sha, "source": "https://gitlab.com/octo/app"}
    assert done.labels.items() >= {PREFIX + name: value for name, value in wanted_labels.items()}.items()
    assert "canary" not in done.log + json.dumps(done.metadata)


def test_a_merge_request_of_a_fork_is_built_and_not_pushed(job: RunJob) -> None:
    """By the parent project's pipeline, with the credentials that GitLab gives to it; one notice says so."""
    done = job("pr 7 to main", variables=OWN | FORK)
    assert done.code == 0, done.log
    assert not done.tags
    assert done.notices == ["\x1b[33mnote: NOT PUSHED: the merge request comes from them/app\x1b[0m"]
    assert done.variables["SHIPPED_PUSHED"] == "false"
    assert not done.variables["SHIPPED_DIGEST"]
    asked = job("pr 7 to main", variables=OWN | FORK, push="true")
    assert (asked.code, asked.tags) == (5, [])
    assert job("pr 7 to main", variables=OWN | FORK | {"CI_PROJECT_ID": "8"}).tags == ["pr-7"]


@pytest.mark.parametrize(
    ("variables", "inputs", "why"),
    [
        ({"CI_REGISTRY_PASSWORD": ""}, {}, "asks for credentials, and none were found"),
        ({}, {"username": USERNAME}, "; `username` has no password"),
        (OWN, {"username": USERNAME}, "; `username` has no password"),
    ],
)
def test_a_secret_of_protected_branches_is_missing_elsewhere(
    variables: dict[str, str], inputs: dict[str, str], why: str, job: RunJob
) -> None:
    unprotected = {**variables, "CI_COMMIT_REF_PROTECTED": "false", "CI_COMMIT_REF_NAME": "feature"}
    done = job("branch feature", variables=unprotected, **inputs)
    assert done.code == 0, done.log
    assert not done.tags
    (notice,) = done.notices
    assert (
        "warning: NOT PUSHED: feature is not protected, and GitLab keeps protected variables from it; "
        in notice
    )
    assert why in notice
    assert done.variables["SHIPPED_PUSHED"] == "false"
    asked = job("branch feature", variables=unprotected, push="true", **inputs)
    assert asked.code in {2, 5}, asked.log
    elsewhere = job("branch feature", variables=variables, **inputs)
    assert (elsewhere.code, elsewhere.tags) == (5, []), elsewhere.log
    assert why in elsewhere.log


def test_a_project_without_a_registry_is_told_that_nothing_is_pushed(job: RunJob) -> None:
    done = job("branch main", variables={"CI_REGISTRY": "", "CI_REGISTRY_IMAGE": ""})
    assert done.code == 0, done.log
    (notice,) = done.notices
    assert "nothing is pushed: CI_REGISTRY_IMAGE is not set" in notice
    assert done.variables["SHIPPED_PUSHED"] == "false"
    assert not job("branch main", variables={"CI_REGISTRY_IMAGE": ""}, to="oci:there").notices


@pytest.mark.parametrize("user", ["CI_REGISTRY", "CI_DEPLOY", "FLAKESHIP"])
def test_a_job_has_credentials_by_itself(user: str, job: RunJob) -> None:
    name = "USERNAME" if user == "FLAKESHIP" else "USER"
    found = job("branch main", variables={f"{user}_{name}": USERNAME, f"{user}_PASSWORD": PASSWORD})
    assert found.tags == ["main"], found.log


def test_a_flake_in_a_shallow_clone_and_in_no_repository_at_all(
    job: RunJob, make_flake: Callable[..., Path], as_checked_out: Callable[[Path], Path], project: Path
) -> None:
    """GIT_DEPTH: 1 and GIT_STRATEGY: none. The first has a name, by which a job that needs several such jobs finds its image."""
    project.rename(project.parent / "other")
    folder = as_checked_out(make_flake())
    for flake in ("app=.#layered", "path:.#layered"):
        done = job("branch main", folder=folder, flake=flake)
        assert done.tags == ["main"], done.log
        named = done.variables.get("SHIPPED_REF_APP")
        assert named == (done.variables["SHIPPED_REF"] if "=" in flake else None)
        assert done.labels[f"{PREFIX}revision"] == done.sha
        if (folder / ".git").exists():
            (folder / ".git").rename(folder.parent / "gone")


def test_labels_hold_anything(job: RunJob) -> None:
    odd = {
        "quotes": """'single' "double" `back`""",
        "dollar": "$$ $HOME ${HOME} $(id) $[[ inputs.flake ]] %PATH%",
        "dash": "--flake=.#evil",
        "emoji": "⚓ 🐳 é",
        "command": "::set-output name=x::y ${{ github.token",
        "section": "section_end:1:flakeship_build",
        "back": "\\n \\ \\\\0",
        "empty": "",
        "equals": "a=b=c",
    }
    many = {f"org.example.n{number}": f"value {number}" for number in range(300)}
    lines = "".join(f"{name}={value}\n" for name, value in {**odd, **many}.items())
    description = "a\n{{tag}} ⚓ \x1b[7m"
    variables = OWN | {"CI_PROJECT_DESCRIPTION": description}
    done = job("branch main", variables=variables, labels=f'{lines}\n"two=lines\nof text"\n')
    assert done.code == 0, done.log
    assert done.labels.items() >= {**odd, **many, "two": "lines\nof text"}.items()
    assert len(done.variables) == 4
    assert done.labels[f"{PREFIX}description"] == description
    assert "\x1b[7m" not in done.log


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"flake": "--help"}, "--help"),
        ({"tags": "-evil"}, "tags"),
        ({"labels": "no value"}, "labels, line 1"),
        ({"push": "yes please"}, "push is 'yes please'"),
        ({"flak": "."}, "FLAKESHIP_FLAK is set, but there is no input 'flak'; did you mean 'flake'?"),
    ],
)
def test_an_odd_input_ends_in_one_error(inputs: dict[str, str], words: str, job: RunJob) -> None:
    done = job("branch main", **inputs)
    assert done.code in {2, 3}
    assert words in done.log
    assert done.log.count("error:") == 1
    assert not done.tags
