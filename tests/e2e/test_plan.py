"""`flakeship plan` with real Nix and a real registry: what is published is not planned, and nothing is written.

What it prints is given to real act and real gitlab-ci-local, as the docs do it.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from flakeship.commands.plan.formats import FORMATS, Planned
from flakeship.image.model import Platform
from flakeship.settings.declaration import Settings
from tests.e2e.conftest import Act
from tests.e2e.docs_workflows import PLATFORMS, shown, together
from tests.e2e.test_act import commit, said
from tests.testbed.command import Publish
from tests.testbed.docker import Docker
from tests.testbed.gitlab import SERVER, GitLab
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

BOTH = ("--platforms", "linux/amd64,linux/arm64")
OTHER_SYSTEM = ("--nix-config", "extra-platforms = aarch64-linux")
Ended: TypeAlias = "subprocess.CompletedProcess[str]"
Plan: TypeAlias = "Callable[..., Ended]"


@pytest.fixture
def plan(nix_environ: Mapping[str, str]) -> Plan:
    def run(folder: Path, *flags: str) -> Ended:
        command = [sys.executable, "-m", "flakeship", "plan", "--log-level", "debug", *flags]
        return subprocess.run(
            command, cwd=folder, env=nix_environ, capture_output=True, text=True, check=False
        )

    return run


def todo(done: Ended) -> list[tuple[str, str]]:
    """The line of `flake` and the platform of each job that is to run."""
    assert done.returncode == 0, done.stderr
    return [(entry["flake"], entry["platform"]) for entry in json.loads(done.stdout)["todo"]]


def evaluations(done: Ended) -> int:
    return done.stderr.count("+ nix eval ")


def changed(folder: Path, old: str, new: str) -> None:
    """Put `new` before a line of the flake."""
    flake = folder / "flake.nix"
    text = flake.read_text()
    assert old in text
    flake.write_text(text.replace(old, f"{new}\n{old}", 1))


def test_what_every_tag_names_already_needs_no_job(
    plan: Plan, publish: Publish, make_flake: Callable[..., Path], registry: Registry
) -> None:
    """Whoever published it: here one job for both platforms. An image that a cleaner took is missing again."""
    folder, repository = make_flake(fresh=True), registry.new_repository()
    image = f"{registry.host}/{repository}"
    # The program of both is for this machine, and lint would say so
    ours = (folder, ".#hello", f"{image}:1", *BOTH, "--lint", "off")
    assert todo(plan(*ours)) == [(".#hello", "linux/amd64"), (".#hello", "linux/arm64")]
    assert publish(*ours[1:], *OTHER_SYSTEM, cwd=folder).code == 0
    before = [entry for entry in registry.accesses(repository) if entry.method not in {"GET", "HEAD"}]
    done = plan(*ours)
    assert todo(done) == []
    assert evaluations(done) == 1
    assert len(todo(plan(*ours, f"{image}:2"))) == 2, "a release of what is published lacks its tag"
    other = f"{registry.host}/{repository}/other:1"
    assert len(todo(plan(*ours, other))) == 2, "another registry or repository lacks it"
    assert registry.tags(repository) == ["1"]
    assert [entry for entry in registry.accesses(repository) if entry.method not in {"GET", "HEAD"}] == before
    index = registry.manifest(repository, "1")
    assert index
    gone = index["manifests"][1]["digest"]
    assert registry.request("DELETE", f"{repository}/manifests/{gone}", repository=repository).ok
    assert todo(plan(*ours)) == [(".#hello", "linux/arm64")]


def test_all_images_are_evaluated_at_once(
    plan: Plan, make_flake: Callable[..., Path], registry: Registry
) -> None:
    """An attribute for each system, one that is cross-compiled, and one as it is; jobs run where it is built."""
    folder, image = make_flake(), f"{registry.host}/{registry.new_repository()}"
    lines = "app=.#layered\nweb=.#layered-plain\nweb=linux/arm64=.#layered"
    tags = f"app={image}:app\nweb={image}:web"
    done = plan(folder, "--flake", lines, "--tags", tags, *BOTH)
    assert todo(done) == [
        (".#layered", "linux/amd64"),
        (".#layered", "linux/arm64"),
        (".#layered-plain", "linux/amd64"),
        ("linux/arm64=.#layered", "linux/arm64"),
    ]
    systems = [entry["system"] for entry in json.loads(done.stdout)["todo"]]
    assert systems == ["x86_64-linux", "aarch64-linux", "x86_64-linux", "x86_64-linux"]
    assert evaluations(done) == 1
    variant = plan(folder, ".#hello", f"{image}:1", "--debug")
    assert json.loads(variant.stdout)["todo"][0]["tags"] == [f"{image}:1", f"{image}:1-debug"]


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--flake", ".#layered\n.#hello\n.#refused\n.#layered-plain"), 3, "refused can't be built: not now"),
        ((".#only", *BOTH), 3, "has 'only' for x86_64-linux, and not for aarch64-linux"),
        ((".#nothing", *BOTH), 3, "has no package 'nothing'"),
        ((".#packages.x86_64-linux.layered", *BOTH), 2, "is one attribute whatever the platform"),
        ((".#layered", *BOTH, "--debug"), 2, "`merge` joins the platforms of one image"),
        (("--source", "result"), 2, "`--source` is built already"),
        ((".#layered",), 6, "refused the connection"),
    ],
)
def test_what_can_not_be_planned_is_no_empty_plan(
    plan: Plan, make_flake: Callable[..., Path], flags: tuple[str, ...], code: int, words: str
) -> None:
    folder = make_flake()
    changed(folder, "          default = hello;", '          refused = throw "not now";')
    changed(
        folder,
        "      packages = perSystem (",
        "      legacyPackages.x86_64-linux.only = self.packages.x86_64-linux.hello;",
    )
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        named = ("--tags", f"127.0.0.1:{taken.getsockname()[1]}/app:1") if code == 6 else ()
        done = plan(folder, *flags, *named, "--format", "github")
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert words in done.stderr


def planned(image: str, architecture: str, *, published: bool = False) -> Planned:
    """One of two platforms of an image."""
    system = {"amd64": "x86_64-linux", "arm64": "aarch64-linux"}[architecture]
    where, tags = Platform("linux", architecture), ("ghcr.io/octo/app:1",)
    return Planned(image, ".#app", where, system, tags, published, Settings(), several=True)


@pytest.mark.usefixtures("flakeship_project")
@pytest.mark.parametrize(
    ("images", "jobs"),
    [
        ([], {"nothing to do"}),
        (
            ["."],
            {"image linux/amd64", "image linux/arm64", "image merge"},
        ),
        (
            ['github:o/r#"a b"', 'github:o/r#"a:b"'],
            {
                f"github-o-r-a-b{number} {end}"
                for number in ("", "-2")
                for end in ("linux/amd64", "linux/arm64", "merge")
            },
        ),
    ],
)
def test_gitlab_has_the_jobs_of_a_child_pipeline(
    images: list[str],
    jobs: set[str],
    gitlab_reader: GitLab,
    git: Callable[..., str],
    tmp_path: Path,
) -> None:
    """None is hidden, whatever the image is called, and a plan with nothing to do is a pipeline too."""
    folder = tmp_path / "app"
    git(tmp_path, "init", "-q", "-b", "main", str(folder))
    child = [planned(image, each) for image in images for each in ("amd64", "arm64")]
    (folder / ".gitlab-ci.yml").write_text(FORMATS["gitlab"](child))
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "pipeline")
    git(folder, "remote", "add", "origin", f"{SERVER}/harbour/app.git")
    run = gitlab_reader(folder, "--list-json")
    assert run.returncode == 0, str(run)
    listed = json.loads(run.log[run.log.index("\n[\n") :] if "\n[\n" in run.log else run.log)
    assert {job["name"] for job in listed} == jobs
    for job in listed:
        assert {need["job"] for need in job.get("needs") or []} <= jobs


@pytest.mark.long
def test_github_starts_the_jobs_of_a_matrix(
    act: Act, make_flake: Callable[..., Path], git: Callable[..., str]
) -> None:
    """The workflow of the docs, whose plan is told what to print: what needs nothing starts no job."""
    folder = make_flake()
    text = shown("## No job where nothing is to do", PLATFORMS)

    def documented(matrix: str) -> dict[str, Any]:
        document = yaml.safe_load(text)
        jobs = document["jobs"]
        jobs["plan"]["steps"] = [
            {"id": "plan", "env": {"MATRIX": matrix}, "run": 'echo "matrix=$MATRIX" >> "$GITHUB_OUTPUT"'}
        ]
        for job in jobs.values():
            job["runs-on"] = "ubuntu-latest"  # the only runner that there is here
        jobs["build"]["steps"] = [{"run": "echo 'built ${{ matrix.flake }} for ${{ matrix.platform }}'"}]
        jobs["merge"]["steps"] = [{"run": "echo merged"}]
        return dict(document)

    full = FORMATS["github"]([planned("app", "amd64", published=True), planned("app", "arm64")])
    document = together(
        full=documented(full), empty=documented(FORMATS["github"]([planned("app", "amd64", published=True)]))
    )
    commit(folder, git, document)
    run = act(folder, event="workflow_dispatch")
    assert run.returncode == 0, run
    built = [line for line in said(run) if "built .#app for" in line]
    assert len(built) >= 2, run
    assert any("linux/amd64" in line for line in built)
    assert sum("merged" in line for line in said(run) if "echo" not in line) == 1, run


@pytest.mark.long
def test_the_step_of_the_docs_plans_in_the_image(
    dockerd: Docker, action_image: str, make_flake: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    """Its lines as they stand there, but for the image, and a network that reaches this machine's registry."""
    folder = make_flake()
    document = yaml.safe_load(shown("## No job where nothing is to do", PLATFORMS))
    step = document["jobs"]["plan"]["steps"][-1]
    script = step["run"].replace("ghcr.io/flakeship/flakeship:1", action_image)
    script = script.replace("docker run", "docker run --network host --env NIX_CONFIG")
    given = {
        **step["env"],
        "FLAKESHIP_GITHUB_TOKEN": "",
        "FLAKESHIP_FLAKE": ".#layered",
        "FLAKESHIP_TAGS": f"{registry.host}/{registry.new_repository()}:main",
    }
    told = tmp_path / "output"
    environ = {
        "PATH": "/usr/bin:/bin",
        "DOCKER_HOST": dockerd.host,
        "GITHUB_OUTPUT": str(told),
        "NIX_CONFIG": "substituters =",
        **given,
    }
    done = subprocess.run(
        ["bash", "-euc", script], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    matrix = json.loads(told.read_text().removeprefix("matrix="))
    assert [entry["runner"] for entry in matrix["include"]] == ["ubuntu-24.04", "ubuntu-24.04-arm"]
