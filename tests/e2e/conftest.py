"""The action as a workflow finds it: a checkout, its image, and act to run workflows."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.e2e.starting import start
from tests.testbed.docker import Docker
from tests.testbed.github_runner import Runner, outputs

__all__ = ["start"]

ROOT = Path(__file__).parent.parent.parent
ACTION = "flakeship/flakeship@v1"
ACT_IMAGE = "act-flakeship-flakeship-v1-dockeraction:latest"
ACT_VOLUME = "act-toolcache"


@dataclass(frozen=True, slots=True, repr=False)
class ActRun:
    """What act did: its exit code, and its log as it writes it with `--json`."""

    returncode: int
    log: tuple[dict[str, Any], ...]

    def __repr__(self) -> str:
        return "\n".join(str(line.get("msg", "")).rstrip() for line in self.log)

    def commands(self, kind: str) -> list[dict[str, Any]]:
        """The workflow commands that act understood: `set-output`, `summary`, `add-mask`, …"""
        return [line for line in self.log if line.get("command") == kind]


Act: TypeAlias = Callable[..., ActRun]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that git knows, as `uses:` would fetch them."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def action_image(dockerd: Docker, base_image: str, checkout: Path) -> Iterator[str]:
    """The image of the action, built as its users' runners do, but by the machine's own network."""
    tag = "flakeship-test:action"
    dockerd(
        "build",
        "--network",
        "host",
        "--build-arg",
        f"BASE={base_image}",
        "--tag",
        tag,
        "-",
        stdin=_build_context(checkout),
        timeout=280,
    )
    yield tag
    dockerd("image", "rm", "--force", tag)


def _build_context(checkout: Path) -> bytes:
    """The tar of the checkout as act writes it, without names of owners: the engine's cache of layers tells tars apart by them.

    The client of Docker 20.10 writes these names into the tar that it makes of a folder.
    """

    def without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(checkout.iterdir()):
            tar.add(path, arcname=path.name, filter=without_owner)
    return context.getvalue()


@pytest.fixture
def act(dockerd: Docker, base_image: str, action_image: str, checkout: Path, tmp_path: Path) -> Iterator[Act]:
    """`act(folder, event="push")` runs the workflows of the git repository in `folder`, on a machine like `image`.

    The layers of `action_image` are there already, so that act's own build of the action takes them.
    """
    environ = {
        **dockerd.environ,
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
        "XDG_CACHE_HOME": str(tmp_path / "xdg"),
    }
    program = Path(sys.executable).with_name("act")

    def run(folder: Path, *arguments: str, event: str = "push", image: str = base_image) -> ActRun:
        runner = ("-P", f"ubuntu-latest={image}", "--pull=false", "--network", "host", "--rm", "--json")
        ours = ("--local-repository", f"{ACTION}={checkout}", "--container-daemon-socket", "-")
        done = subprocess.run(
            [program, event, *runner, *ours, *arguments],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=240,
            check=False,
        )
        lines = done.stdout.decode().splitlines()
        return ActRun(done.returncode, tuple(json.loads(line) for line in lines if line.startswith("{")))

    kept = dockerd("volume", "ls", "--quiet")
    yield run
    dockerd.run("image", "rm", "--force", ACT_IMAGE)
    if ACT_VOLUME not in kept.split():
        dockerd.run("volume", "rm", "--force", ACT_VOLUME)


@dataclass(frozen=True, slots=True)
class Step:
    code: int
    log: Runner
    outputs: dict[str, str]
    page: str


RunStep: TypeAlias = Callable[..., Step]


@pytest.fixture
def step(nix_environ: Mapping[str, str], tmp_path: Path) -> RunStep:
    """`step(folder, flake=".#hello")` runs the entrypoint's command in a workspace, its inputs as INPUT_*."""
    files = {name: tmp_path / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}

    def run(folder: Path, *, environ: Mapping[str, str] = {}, **inputs: str) -> Step:
        for path in files.values():
            path.write_text("")
        given = {f"INPUT_{name.replace('_', '-').upper()}": value for name, value in inputs.items()}
        done = subprocess.run(
            [sys.executable, "-m", "flakeship", "publish"],
            cwd=folder,
            env={
                **nix_environ,
                "GITHUB_ACTIONS": "true",
                **{name: str(path) for name, path in files.items()},
                **given,
                **environ,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stdout, done.stdout
        log = Runner().read(done.stdout)
        assert not log.stopped
        output, page = (path.read_text() for path in files.values())
        return Step(done.returncode, log, outputs(output), page)

    return run
