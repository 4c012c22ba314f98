"""Real act runs the workflows of the docs, all in one run: as they stand there, but for hosted registries and clouds."""

from __future__ import annotations

import json
import re
import subprocess
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Act, ActRun
from tests.e2e.docs_workflows import BUILDERS, PLATFORMS, loaded, readme, shown, together
from tests.e2e.test_act import commit, config, said
from tests.e2e.test_workflows import WHOLE, act_lists, blocks
from tests.testbed.command import Publish
from tests.testbed.github_comments import TOKEN as COMMENTER
from tests.testbed.github_comments import comment_api
from tests.testbed.machines import THIS_SYSTEM, MakeMachine, write_joined
from tests.testbed.registry import Registry
from tests.testbed.ssh import SshServer

TOKEN = "github_pat_CaNaRyToken9"


@pytest.fixture
def app(
    make_flake: Callable[..., Path],
    ssh_server: SshServer,
    private_repository: Path,
    fetching_environ: Mapping[str, str],
) -> Path:
    """The shapes, and `sauced`, the one that needs a private input; the lock file spares the others to fetch it."""
    folder = make_flake()
    text = (folder / "flake.nix").read_text()
    url = f"git+{ssh_server.url(private_repository)}?ref=main"
    given = f'inputs.sauce = {{ url = "{url}"; flake = false; }};\n  outputs =\n    {{ self, sauce }}:'
    sauced = 'sauced = builtins.seq (builtins.readFile "${sauce}/secret-sauce") layered;'
    text = text.replace("outputs =\n    { self }:", given)
    text = text.replace("default = hello;", f"default = hello;\n          {sauced}")
    (folder / "flake.nix").write_text(text)
    lock = ["nix", "flake", "lock"]
    subprocess.run(lock, cwd=folder, env=fetching_environ, check=True, capture_output=True)
    assert (folder / "flake.lock").exists()
    return folder


@dataclass(frozen=True, slots=True)
class Project:
    """A repository whose workflow act runs."""

    act: Act
    folder: Path
    git: Callable[..., str]

    def run(self, document: dict[str, Any], *flags: str) -> ActRun:
        commit(self.folder, self.git, document)
        run = self.act(self.folder, *flags, event=next(iter(document["on"])))
        assert run.returncode == 0, run
        return run

    @property
    def revision(self) -> str:
        return self.git(self.folder, "rev-parse", "HEAD").strip()


@pytest.fixture
def project(act: Act, make_flake: Callable[..., Path], git: Callable[..., str]) -> Project:
    return Project(act, make_flake(), git)


@pytest.fixture
def project_with_private_input(act: Act, app: Path, git: Callable[..., str]) -> Project:
    return Project(act, app, git)


@pytest.fixture
def old_image(publish: Publish, archive: Path, registry: Registry) -> str:
    """NAME@DIGEST of an image with the label `run=old`."""
    name = f"{registry.host}/{registry.new_repository()}"
    done = publish("--source", str(archive), "--tags", f"{name}:1", "--labels", "run=old")
    assert done.code == 0, done.stderr
    return done.stdout.strip()


def test_act_reads_every_workflow_of_the_docs_as_it_stands(tmp_path: Path, git: Callable[..., str]) -> None:
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    files = {at.replace(":", "-"): text for at, text in blocks() if at.partition(":")[0] in WHOLE}
    for name, text in files.items():
        (folder / f"{name}.yml").write_text(text)
    git(tmp_path, "init", "-q")
    assert act_lists(tmp_path) == {f"{name}.yml" for name in files}


def test_workflows_for_images_deployments_and_going_back(
    project: Project, registry: Registry, old_image: str
) -> None:
    """The README's among them, with a second step that says what it put out."""
    owner = f"{registry.host}/{registry.new_repository()}"
    old, _, digest = old_image.partition("@")
    first = loaded(readme(), f"{owner}/octo/app", image="layered")
    first["jobs"]["image"]["steps"][-1]["id"] = "ship"
    first["jobs"]["image"]["steps"].append({"run": 'echo "digest=${{ steps.ship.outputs.digest }}"'})
    deploy = shown("## The digest in later jobs").replace("run: kubectl", "run: echo kubectl")
    document = together(
        readme=first,
        deploy=loaded(deploy, f"{owner}/deployed", image="layered"),
        back=loaded(shown("## Back to a digest"), old),
    )

    run = project.run(document, "--input", f"digest={digest}")

    shipped = f"{owner}/octo/app".partition("/")[2]
    assert f"digest={registry.digest(shipped, 'main')}" in said(run)
    labels = config(registry, shipped, "main")["config"]["Labels"]
    assert labels["org.opencontainers.image.revision"] == project.revision
    pages = [str(summary["content"]) for summary in run.commands("summary")]
    assert any(f"octo/app@{registry.digest(shipped, 'main')}" in page for page in pages)
    deployed = f"{owner}/deployed"
    reference = f"{deployed}@{registry.digest(deployed.partition('/')[2], 'main')}"
    assert f"kubectl set image deployment/app app={reference}" in said(run)
    repository = old.partition("/")[2]
    assert registry.digest(repository, "latest") == digest
    assert config(registry, repository, "latest")["config"]["Labels"]["run"] == "old"


@pytest.mark.long
@pytest.mark.timeout(900)  # with images that it may be the first to need
def test_workflows_for_several_images_a_matrix_a_picture_and_private_inputs(
    project_with_private_input: Project,
    registry: Registry,
    ssh_server: SshServer,
    artifacts: tuple[str, ...],
    tmp_path: Path,
) -> None:
    """Whether GitHub takes the token can't be asked here; that it is hidden, and that Nix takes the line, can."""
    owner = registry.new_repository()
    images = f"{registry.host}/{owner}"
    names = {"api_image": "layered", "web_image": "hello"}
    matrix = loaded(shown("## A matrix").replace("name }}-image", "name }}"), f"{images}/matrix")
    matrix["jobs"]["image"]["strategy"]["matrix"]["name"] = ["layered", "hello"]
    matrix["jobs"]["image"]["runs-on"] = "ubuntu-latest"
    del matrix["jobs"]["image"]["steps"][-1]["with"]["platforms"]  # this machine has one processor
    document = together(
        several=loaded(shown("## Several images"), f"{images}/several", **names),
        matrix=matrix,
        token=loaded(shown("## Private inputs by a token"), f"{images}/token", image="layered"),
        ssh=loaded(shown("## Private inputs by an ssh key"), f"{images}/ssh", image="sauced"),
        minimal=loaded(shown("## Minimal"), f"{images}/minimal", image="layered"),
        picture=loaded(shown("## A picture of the image"), f"{images}/pictured", image="layered"),
    )

    run = project_with_private_input.run(
        document,
        *artifacts,
        *("--secret", f"PRIVATE_INPUTS_TOKEN={TOKEN}"),
        *("--secret", f"PRIVATE_INPUTS_KEY={ssh_server.key}"),
        *("--var", f"PRIVATE_INPUTS_HOSTS={ssh_server.known}"),
    )

    for name in ("several/api", "several/web", "token", "ssh", "minimal", "pictured"):
        assert "main" in registry.tags(f"{owner}/{name}"), name
    assert sorted(registry.tags(f"{owner}/matrix/layered")) == ["main-amd64", "main-arm64"]
    kept = {path.name for path in (tmp_path / "artifacts/image-report").iterdir()}
    assert kept == {"metadata.json", "metadata-picture.svg", "metadata-picture.html"}
    secrets = [TOKEN, *(line for line in ssh_server.key.splitlines() if "-----" not in line)]
    log = json.dumps([line for line in run.log if line.get("command") != "add-mask"])
    assert not [secret for secret in secrets if secret in log], "hidden, but where act is told what to hide"


@pytest.mark.long
def test_the_workflow_with_builders(
    act: Act, git: Callable[..., str], registry: Registry, make_machine: MakeMachine, tmp_path: Path
) -> None:
    """By the Nix of the action's image, in a container where this machine could isolate nothing."""
    machine = make_machine("b1")
    write_joined(tmp_path / "app", salt=str(uuid.uuid4()))
    git(tmp_path / "app", "init", "-q", "-b", "main")
    repository = registry.new_repository()
    document = loaded(shown("## On GitHub", BUILDERS), f"{registry.host}/{repository}", image="joined")

    run = Project(act, tmp_path / "app", git).run(
        document,
        *("--secret", f"BUILDERS_KEY={machine.key}"),
        *("--var", f"BUILDERS={machine.address} {THIS_SYSTEM} - 2"),
        *("--var", f"BUILDERS_HOSTS={machine.known}"),
    )

    assert "main" in registry.tags(repository)
    assert any(f"the builder {machine.address} built joined, left, right" in line for line in said(run))
    assert not any("can be read by what this machine builds" in line for line in said(run))
    log = json.dumps([line for line in run.log if line.get("command") != "add-mask"])
    assert not [line for line in machine.key.splitlines() if "-----" not in line and line in log]


@pytest.mark.long
def test_a_pull_request_of_ones_own_is_built_and_not_pushed(project: Project, registry: Registry) -> None:
    repository = registry.new_repository()
    text = shown("## Pull requests").replace("push:\n    branches: [main]\n  ", "")
    document = loaded(text, f"{registry.host}/{repository}", image="layered")
    assert list(document["on"]) == ["pull_request"]
    document["jobs"]["image"]["steps"][-1]["id"] = "ship"
    document["jobs"]["image"]["steps"].append({"run": 'echo "pushed=${{ steps.ship.outputs.pushed }}"'})

    run = project.run(document)

    assert registry.tags(repository) == []
    assert "pushed=false" in said(run)


@pytest.mark.long
def test_a_pull_request_is_told_what_it_changes(
    project: Project, registry: Registry, publish: Publish, archive: Path, tmp_path: Path
) -> None:
    """GitHub's API is its protocol alone: it can't be here. The image of the target branch is a real one."""
    name = f"{registry.host}/{registry.new_repository()}"
    there = publish("--source", str(archive), "--tags", f"{name}:main", "--env", "OLD=1")
    assert there.code == 0, there.stderr
    text = shown("## What a pull request changes").replace("push:\n    branches: [main]\n  ", "")
    document = loaded(text, name, image="layered")
    repository = {"full_name": "octo/app"}
    event = tmp_path / "event.json"
    event.write_text(
        json.dumps(
            {
                "number": 7,
                "repository": repository,
                "pull_request": {
                    "number": 7,
                    "base": {"ref": "main", "repo": repository},
                    "head": {"ref": "topic", "repo": repository, "sha": "f" * 40},
                },
            }
        )
    )
    with comment_api() as api:
        run = project.run(
            document,
            *("--eventpath", str(event)),
            *("--env", f"GITHUB_API_URL={api.url}"),
            *("--secret", f"GITHUB_TOKEN={COMMENTER}"),
        )
        (body,) = api.bodies(7)

    assert f"**Since <code>{name.replace(':', '&#58;')}&#58;main</code>**" in body
    assert "- env OLD" in body
    assert registry.tags(name.partition("/")[2]) == ["main"]
    assert any("a comment on pull request 7 says what changed in" in line for line in said(run))


@pytest.fixture
def artifacts(tmp_path: Path) -> tuple[str, ...]:
    """Flags for act, which has no artifact service here: two actions that copy to and from a folder of this machine, in its place."""
    copies = {
        "upload": 'mkdir -p "/artifacts/$NAME" && cp $FILES "/artifacts/$NAME"',
        "download": 'mkdir -p "$FILES" && cp /artifacts/$PATTERN/* "$FILES"',
    }
    flags = []
    for name, run in copies.items():
        folder = tmp_path / f"{name}-artifact"
        folder.mkdir()
        given = {"NAME": "name", "FILES": "path", "PATTERN": "pattern"}
        step = {
            "shell": "sh",
            "run": run,
            "env": {key: f"${{{{ inputs.{each} }}}}" for key, each in given.items()},
        }
        action = {"name": name, "inputs": {each: {} for each in given.values()}}
        text = json.dumps({**action, "runs": {"using": "composite", "steps": [step]}})
        (folder / "action.yml").write_text(text)
        flags += ["--local-repository", f"actions/{name}-artifact@v4={folder}"]
    (tmp_path / "artifacts").mkdir()
    return (*flags, "--container-options", f"--volume {tmp_path}/artifacts:/artifacts")


def split(document: dict[str, Any]) -> dict[str, Any]:
    """The matrix as one job for each platform. Of a matrix GitHub hands on the outputs of every job, and act those of the last."""
    jobs = dict(document["jobs"])
    build = json.dumps({key: value for key, value in jobs.pop("build").items() if key != "strategy"})
    merge = {**jobs["merge"], "needs": ["amd64", "arm64"]}
    text = re.sub(r"needs\.build\.outputs\.(\w+)", r"needs.\1.outputs.\1", json.dumps(merge))
    each = {arch: json.loads(build.replace("${{ matrix.arch }}", arch)) for arch in ("amd64", "arm64")}
    for job in each.values():
        job["runs-on"] = "ubuntu-latest"
    return {**document, "jobs": {**each, "merge": json.loads(text)}}


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "heading", ["## On GitHub, by artifacts", "## On GitHub, by job outputs", "## On Forgejo"]
)
def test_two_jobs_push_by_digest_and_a_third_merges(
    project: Project, registry: Registry, artifacts: tuple[str, ...], heading: str
) -> None:
    """As the page shows it; Forgejo's runner is made of act. The platforms are stated and not built."""
    repository = registry.new_repository()
    text = shown(heading, PLATFORMS)
    for hosted in ("ghcr.io", "codeberg.org"):
        text = text.replace(f"{hosted}/${{{{ github.repository }}}}", f"{registry.host}/{repository}")
    for runner in ("docker-arm64", "docker", "ubuntu-24.04-arm", "ubuntu-24.04"):
        text = re.sub(rf"(run[a-z-]+): {runner}\n", r"\1: ubuntu-latest\n", text)
    text = re.sub(r" +(username|password): .*\n", "", text.replace("https://github.com/", ""))
    document = loaded(text, "", image="layered")
    if "outputs" in document["jobs"].get("build", ()):
        document = split(document)
    for name, job in document["jobs"].items():
        (ours,) = (step for step in job["steps"] if step.get("uses", "").startswith("flakeship/"))
        if name == "merge":
            del ours["with"]["nix-config"]
            ours["id"] = "merged"
            job["steps"].append({"run": 'echo "digest=${{ steps.merged.outputs.digest }}"'})
        else:
            arch = "${{ matrix.arch }}" if name == "build" else name
            assert ours["with"].pop("platforms") == f"linux/{arch}"
            ours["with"]["override-platform"] = f"linux/{arch}"

    run = project.run(document, *artifacts)

    index = registry.manifest(repository, "main")
    assert index, run
    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["amd64", "arm64"]
    assert registry.tags(repository) == ["main"]
    assert f"digest={registry.digest(repository, 'main')}" in said(run)
