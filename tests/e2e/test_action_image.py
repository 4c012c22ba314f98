"""The image of the action: what is in it, what is not, and how it behaves where GitHub starts it."""

from __future__ import annotations

import base64
import json
import os
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.e2e.conftest import ROOT
from tests.sources.layouts import Layout
from tests.testbed.docker import Docker
from tests.testbed.github_runner import outputs
from tests.testbed.registry import Registry

LIMIT = 320_000_000
OWNER = (1001, 127)


@pytest.fixture
def shell(dockerd: Docker, action_image: str) -> Callable[[str], str]:
    """Run a line of sh in the image."""
    return lambda line: dockerd("run", "--rm", "--entrypoint", "sh", action_image, "-euc", line)


def test_size_is_within_the_limit(dockerd: Docker, action_image: str) -> None:
    assert int(dockerd("image", "inspect", "--format", "{{.Size}}", action_image)) <= LIMIT


def test_entrypoint_hands_over_to_the_package(dockerd: Docker, action_image: str) -> None:
    assert dockerd("run", "--rm", action_image, "--version").startswith("flakeship ")
    assert "publish" in dockerd("run", "--rm", action_image, "publish", "--help")


def test_the_library_that_signs_without_a_key_is_there(shell: Callable[[str], str]) -> None:
    assert shell("/opt/flakeship/bin/python -Ic 'import sigstore.sign, sigstore.verify'") == ""


@pytest.mark.long
def test_keyless_runs_there_and_names_nothing_where_sigstore_is_not_reached(
    dockerd: Docker, action_image: str, registry: Registry, tmp_path: Path
) -> None:
    """The token is nobody's: where a machine has the internet, Sigstore refuses it."""
    layout = Layout()
    layout.listing(layout.image("a")).folder(tmp_path / "layout")
    name = f"{registry.host}/{registry.new_repository()}:1"
    claims = {"iss": "https://gitlab.com", "aud": "sigstore", "sub": "x", "iat": 1, "exp": 1 << 40}
    token = ".".join(
        base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=")
        for each in ({"alg": "none"}, claims, {})
    )
    job = {"GITLAB_CI": "true", "CI_PROJECT_PATH": "a/b", "CI_PROJECT_VISIBILITY": "public"}
    usual = ("run", "--rm", "--network", "host", "-v", f"{tmp_path}:/w", "-w", "/w")
    publish = (
        action_image,
        "publish",
        "--source",
        "layout",
        "--tags",
        name,
        "--sign",
        "keyless",
        "--lint",
        "off",
    )

    def run(**environ: str) -> tuple[int, str]:
        given = [word for key, text in (job | environ).items() for word in ("-e", f"{key}={text}")]
        done = dockerd.run(*usual, *given, *publish)
        return done.returncode, done.stderr.decode()

    code, said = run(SIGSTORE_ID_TOKEN=token)
    assert code == 6
    assert "the image can't be signed without a key: " in said
    assert "-> run again, and read the status page of Sigstore" in said
    assert "Traceback" not in said
    code, said = run()
    assert code == 2
    assert "-> add `id_tokens: SIGSTORE_ID_TOKEN: aud: sigstore` to the job" in said
    github = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "a/b",
        "GITHUB_EVENT_NAME": "push",
        "GITLAB_CI": "",
    }
    code, said = run(**github, INPUT_SIGN="keyless-public")
    assert code == 5, "the repository is not known to be public"
    assert registry.tags(name.partition("/")[2].rpartition(":")[0]) == []


def test_inputs_of_any_name_arrive(dockerd: Docker, action_image: str) -> None:
    """A shell between the runner and the package would drop names that are no identifiers."""
    done = dockerd.run("run", "--rm", "-e", "INPUT_LOG-LEVEL=loud", action_image)
    assert done.returncode == 2
    assert "log-level is 'loud'" in done.stderr.decode()


def test_no_build_tool_is_left(shell: Callable[[str], str]) -> None:
    assert shell("for tool in pip pip3 gcc strip; do command -v $tool || true; done") == ""
    assert shell("ls /opt/flakeship/lib/python3*/site-packages | grep -c -e ^pip -e ^flit || true") == "0\n"


def test_every_module_is_compiled(shell: Callable[[str], str]) -> None:
    sources = shell("find /opt/flakeship/lib/python3*/site-packages/flakeship -name '*.py' | wc -l")
    compiled = shell("find /opt/flakeship/lib/python3*/site-packages/flakeship -name '*.pyc' | wc -l")
    assert int(compiled) == int(sources) > 0


def test_nix_knows_flakes_and_has_users_to_build(shell: Callable[[str], str]) -> None:
    assert shell("nix --version").startswith("nix (Nix) 2.")
    assert shell("nix eval --expr 1+1") == "2\n"
    assert shell("nix config show build-users-group") == "nixbld\n"
    assert shell("id nixbld64") == "uid=30064(nixbld64) gid=30000(nixbld) groups=30000(nixbld)\n"


def test_workspace_is_no_place_to_import_from(dockerd: Docker, action_image: str, tmp_path: Path) -> None:
    for name in ("flakeship", "requests", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the workspace')\n")
    done = dockerd(
        "run", "--rm", "-v", f"{tmp_path}:/w", "-w", "/w", "-e", "PYTHONPATH=/w", action_image, "--version"
    )
    assert done.startswith("flakeship ")


def test_a_folder_below_the_top_is_told_how_to_mount_the_repository(
    dockerd: Docker, action_image: str, tmp_path: Path
) -> None:
    """The flake.nix is above it, and the container does not see that."""
    (tmp_path / "file").touch()
    mounted = ("-v", f"{tmp_path}:/work", "-w", "/work")
    done = dockerd.run("run", "--rm", *mounted, action_image, "publish", ".#image", "--to", "oci:out")
    assert done.returncode == 2
    assert "-> start the container at the top of the repository" in done.stderr.decode()
    assert "(mount the top of the one that it lies in; without one, run `git init`)" in done.stderr.decode()


def test_the_readmes_line_begins_a_project_without_nix(
    dockerd: Docker, action_image: str, tmp_path: Path
) -> None:
    """Offline: a template without inputs stands for ours, which is a test of its own."""
    project, checkout = tmp_path / "project", tmp_path / "checkout"
    (checkout / "template").mkdir(parents=True)
    described = '{ outputs = _: { templates.default = { path = ./template; description = "x"; }; }; }'
    (checkout / "flake.nix").write_text(described)
    (checkout / "template/flake.nix").write_text("{ outputs = _: { }; }")
    project.mkdir()
    os.chown(project, *OWNER)
    line = next(line for line in (ROOT / "README.md").read_text().splitlines() if "--entrypoint sh" in line)
    words = shlex.split(
        line.removeprefix("$ ")
        .replace("${PWD}", str(project))
        .replace("github:flakeship/flakeship", "path:/x")
    )
    words = [action_image if word == "ghcr.io/flakeship/flakeship:1" else word for word in words[1:]]
    volume = words.index("flakeship-nix:/nix") - 1
    del words[volume : volume + 2]
    dockerd(words[0], "-v", f"{checkout}:/x:ro", *words[1:])
    assert (project / "flake.nix").stat().st_uid == OWNER[0]
    (project / "flake.nix").write_text("mine")
    (project / "left").touch()
    again = dockerd.run(words[0], "-v", f"{checkout}:/x:ro", *words[1:])
    assert again.returncode, "Nix overwrites no file"
    assert (project / "left").stat().st_uid == OWNER[0]


@dataclass(frozen=True, slots=True)
class Runner:
    """GitHub's runner on a machine of its own: no privileges, HOME elsewhere, a workspace that belongs to its user."""

    workspace: Path
    commands: Path
    home: Path
    arguments: tuple[str, ...]

    def outputs(self) -> dict[str, str]:
        return outputs((self.commands / "output").read_text())

    def owners(self) -> set[tuple[int, int]]:
        found = [path.lstat() for path in self.workspace.rglob("*")]
        return {(status.st_uid, status.st_gid) for status in found}


@pytest.fixture
def runner(make_flake: Callable[..., Path], tmp_path: Path, action_image: str) -> Callable[..., Runner]:
    """`runner(flake=…)` prepares a container of the action with these inputs."""

    def prepare(**inputs: str) -> Runner:
        workspace = make_flake("workspace")
        home, commands = tmp_path / "home", tmp_path / "file_commands"
        for folder in (home, commands):
            folder.mkdir()
        for name in ("output", "summary"):
            (commands / name).touch()
        for path in (workspace, home, *workspace.rglob("*")):
            os.chown(path, *OWNER, follow_symlinks=False)
        variables = {
            "HOME": "/github/home",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": "/github/workspace",
            "GITHUB_OUTPUT": "/github/file_commands/output",
            "GITHUB_STEP_SUMMARY": "/github/file_commands/summary",
            "INPUT_NIX-CONFIG": "substituters =",
            "TMPDIR": "/var/lib/runner/_temp",  # the runner's own, exported by cachix/install-nix-action in a step before
            **{f"INPUT_{name.replace('_', '-').upper()}": value for name, value in inputs.items()},
        }
        mounts = {home: "/github/home", commands: "/github/file_commands", workspace: "/github/workspace"}
        arguments = (
            *("run", "--rm", "--network", "host", "--workdir", "/github/workspace"),
            *(part for name, value in variables.items() for part in ("-e", f"{name}={value}")),
            *(part for source, target in mounts.items() for part in ("-v", f"{source}:{target}")),
        )
        return Runner(workspace, commands, home, arguments)

    return prepare


def test_runs_as_github_runs_it_and_leaves_the_workspace_clean(
    dockerd: Docker, action_image: str, registry: Registry, runner: Callable[..., Runner]
) -> None:
    repository = registry.new_repository()
    job = runner(flake=".#layered", tags=f"{registry.host}/{repository}:1.0", entrypoint='["/bin/it"]')
    runs = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]
    before = sorted(path for path in job.workspace.rglob("*") if ".git" not in path.parts)
    done = dockerd.run(*job.arguments, "--entrypoint", runs["entrypoint"], action_image, *runs["args"])
    assert done.returncode == 0, done.stderr.decode()

    assert job.outputs()["digest"] == registry.digest(repository, "1.0")
    assert b'"Entrypoint":["/bin/it"]' in (registry.blob(repository, job.outputs()["imageid"]) or b"")
    assert job.outputs()["digest"] in (job.commands / "summary").read_text()
    assert "sandbox: off (this container allows no namespaces" in done.stderr.decode()
    assert sorted(path for path in job.workspace.rglob("*") if ".git" not in path.parts) == before
    assert job.owners() == {OWNER}
    assert not list(job.home.iterdir()), "later steps, which run as the runner's user, share this home"


SECRET = "CaNaRy-5ecret"


def test_a_builder_is_not_root_and_sees_no_secret_of_the_action(
    dockerd: Docker, action_image: str, runner: Callable[..., Runner]
) -> None:
    """A container on a hosted runner allows no namespaces: what keeps a builder apart is its user."""
    given = {"registry": "localhost:1", "username": "me", "password": SECRET, "cachix_auth_token": SECRET}
    job = runner(flake=".#curious", to="oci:/tmp/out", **given)
    names = ("ACTIONS_RUNTIME_TOKEN", "GITHUB_TOKEN", "SOME_OTHER_NAME")
    more = (part for name in names for part in ("-e", f"{name}={SECRET}"))
    done = dockerd.run(*job.arguments, *more, action_image)
    log = done.stderr.decode()
    assert done.returncode == 0, log
    assert "built by user 300" in log
    assert "secrets found: 0" in log, log
    assert "sandbox: off (this container allows no namespaces" in log


@pytest.mark.parametrize(
    "flags",
    [
        ("--cap-drop", "ALL"),
        *(pytest.param(("--cap-drop", each), marks=pytest.mark.long) for each in ("SETUID", "KILL")),
    ],
)
def test_root_that_may_not_become_another_user_builds_as_before(
    dockerd: Docker, action_image: str, runner: Callable[..., Runner], flags: tuple[str, ...]
) -> None:
    job = runner(flake="path:.#curious", to="oci:/tmp/out")
    done = dockerd.run(*job.arguments, *flags, action_image)
    assert done.returncode == 0, done.stderr.decode()
    assert "built by user 0" in done.stderr.decode()


def test_what_is_written_belongs_to_the_owner_of_the_workspace(
    dockerd: Docker, action_image: str, runner: Callable[..., Runner]
) -> None:
    job = runner(
        flake=".#layered",
        to="oci:out/deep/image\noci-archive:out/image.tar\ndocker-archive:/tmp/elsewhere.tar:app:1",
        metadata_file="made/meta.json",
        layer_cache="kept/layers",
    )
    dockerd(*job.arguments, action_image)
    for name in ("out/deep/image/index.json", "out/image.tar", "made/meta.json", "kept/layers/v1"):
        assert (job.workspace / name).exists()
    assert job.owners() == {OWNER}


def test_so_do_the_definitions_for_bake(
    dockerd: Docker, action_image: str, runner: Callable[..., Runner]
) -> None:
    job = runner(images="octo/app")
    action = yaml.safe_load((ROOT / "metadata/action.yml").read_text())
    folder = action["inputs"]["bake-folder"]["default"]
    dockerd(*job.arguments, "-e", f"INPUT_BAKE-FOLDER={folder}", action_image, *action["runs"]["args"])
    assert len(list((job.workspace / folder).glob("*.json"))) == 4
    assert job.owners() == {OWNER}


def test_what_a_link_leads_to_is_left_alone(
    dockerd: Docker, action_image: str, runner: Callable[..., Runner]
) -> None:
    job = runner(flake=".#layered", to="oci:out/image", metadata_file="out/meta.json")
    (job.workspace / "out").symlink_to("/tmp")
    check = "import subprocess as s; s.run('/entrypoint', check=True); s.run(['stat', '-c%u', '/tmp', '/tmp/image', '/tmp/meta.json'])"
    done = dockerd(*job.arguments, "--entrypoint", "python3", action_image, "-c", check)
    assert done.splitlines()[-3:] == ["0", "0", "0"]


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    """A registry that takes an upload's bytes and never answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _StuckHandler) as server:
        server.daemon_threads = True
        seen = Stuck(server.server_address[1])
        _StuckHandler.seen = seen
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield seen
        seen.end.set()
        server.shutdown()
        thread.join()


@dataclass(frozen=True, slots=True)
class Stuck:
    port: int
    requests: list[str] = field(default_factory=list)
    uploading: threading.Event = field(default_factory=threading.Event)
    end: threading.Event = field(default_factory=threading.Event)


class _StuckHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: Stuck

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        self.seen.requests.append(f"{self.command} {self.path}")
        if self.command in {"PUT", "PATCH"}:
            self.seen.uploading.set()
            self.seen.end.wait(60)
        status = {"POST": 202, "HEAD": 404}.get(self.command, 200 if self.path == "/v2/" else 404)
        self.send_response(status)
        self.send_header("Location", "/v2/a/b/blobs/uploads/1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("moment", "name", "code"),
    [
        ("building", "INT", 130),
        ("uploading", "TERM", 143),
        pytest.param("building", "TERM", 143, marks=pytest.mark.long),
        pytest.param("uploading", "INT", 130, marks=pytest.mark.long),
    ],
)
def test_a_cancelled_run_ends_at_once_and_tags_nothing(  # noqa: PLR0917 - fixtures are given by name
    dockerd: Docker,
    action_image: str,
    runner: Callable[..., Runner],
    stuck: Stuck,
    name: str,
    code: int,
    moment: str,
) -> None:
    """As the runner cancels: a signal to the container's first process."""
    flake = ".#sleeps" if moment == "building" else ".#layered"
    job = runner(flake=flake, tags=f"127.0.0.1:{stuck.port}/a/b:1")
    container = f"flakeship-{stuck.port}"
    command = ["docker", *job.arguments, "--name", container, action_image]
    with subprocess.Popen(
        command, env=dockerd.environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stderr
        if moment == "building":
            log = ""
            while "asleep" not in log:
                log = child.stderr.readline().decode()
                assert log, "it ended before it was cancelled"
        else:
            assert stuck.uploading.wait(60)
        dockerd("kill", "--signal", name, container)
        begun = time.monotonic()
        child.communicate(timeout=30)
        took = time.monotonic() - begun
    assert child.returncode == code
    assert took < 8  # that of two seconds is the run's, the rest the machine's
    assert not [
        request for request in stuck.requests if "/manifests/" in request and request.startswith("PUT")
    ]
    assert not job.outputs()
