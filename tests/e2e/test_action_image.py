"""The image of the action: what is in it, what is not, and how it behaves where GitHub starts it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.testbed.docker import Docker
from tests.testbed.registry import Registry

LIMIT = 320_000_000


@pytest.fixture
def shell(dockerd: Docker, action_image: str) -> Callable[[str], str]:
    """Run a line of sh in the image."""
    return lambda line: dockerd("run", "--rm", "--entrypoint", "sh", action_image, "-euc", line)


def test_size_is_within_the_limit(dockerd: Docker, action_image: str) -> None:
    assert int(dockerd("image", "inspect", "--format", "{{.Size}}", action_image)) <= LIMIT


def test_entrypoint_hands_over_to_the_package(dockerd: Docker, action_image: str) -> None:
    assert dockerd("run", "--rm", action_image, "--version").startswith("flakeship ")
    assert "publish" in dockerd("run", "--rm", action_image, "publish", "--help")


def test_no_build_tool_is_left(shell: Callable[[str], str]) -> None:
    assert shell("for tool in pip pip3 gcc strip; do command -v $tool || true; done") == ""
    assert shell("ls /opt/flakeship/lib/python3*/site-packages | grep -c -e ^pip -e ^flit || true") == "0\n"


def test_every_module_is_compiled(shell: Callable[[str], str]) -> None:
    sources = shell("find /opt/flakeship/lib/python3*/site-packages/flakeship -name '*.py' | wc -l")
    compiled = shell("find /opt/flakeship/lib/python3*/site-packages/flakeship -name '*.pyc' | wc -l")
    assert int(compiled) == int(sources) > 0


def test_nix_knows_flakes_and_needs_no_users_of_its_own(shell: Callable[[str], str]) -> None:
    assert shell("nix --version").startswith("nix (Nix) 2.")
    assert shell("nix eval --expr 1+1") == "2\n"
    assert shell("nix config show build-users-group") == "\n"


def test_workspace_is_no_place_to_import_from(dockerd: Docker, action_image: str, tmp_path: Path) -> None:
    for name in ("flakeship", "requests", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the workspace')\n")
    done = dockerd(
        "run", "--rm", "-v", f"{tmp_path}:/w", "-w", "/w", "-e", "PYTHONPATH=/w", action_image, "--version"
    )
    assert done.startswith("flakeship ")


def test_runs_as_github_runs_it_and_leaves_the_workspace_clean(
    dockerd: Docker,
    action_image: str,
    registry: Registry,
    make_flake: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """No privileges, HOME elsewhere, and a workspace that belongs to the runner's user."""
    repository = registry.new_repository()
    workspace = make_flake("workspace")
    home, commands = tmp_path / "home", tmp_path / "file_commands"
    for folder in (home, commands):
        folder.mkdir()
    (commands / "output").touch()
    before = sorted(path for path in workspace.rglob("*") if ".git" not in path.parts)
    for path in (workspace, home, *workspace.rglob("*")):
        os.chown(path, 1001, 127, follow_symlinks=False)
    variables = {
        "HOME": "/github/home",
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": "/github/workspace",
        "GITHUB_OUTPUT": "/github/file_commands/output",
        "INPUT_FLAKE": ".#layered",
        "INPUT_TAGS": f"{registry.host}/{repository}:1.0",
        "INPUT_NIX-CONFIG": "substituters =",
    }
    mounts = {home: "/github/home", commands: "/github/file_commands", workspace: "/github/workspace"}
    dockerd(
        *("run", "--rm", "--network", "host", "--workdir", "/github/workspace"),
        *(part for name, value in variables.items() for part in ("-e", f"{name}={value}")),
        *(part for source, target in mounts.items() for part in ("-v", f"{source}:{target}")),
        action_image,
    )

    assert registry.digest(repository, "1.0") in (commands / "output").read_text()
    assert sorted(path for path in workspace.rglob("*") if ".git" not in path.parts) == before
    assert {path.stat(follow_symlinks=False).st_uid for path in workspace.rglob("*")} == {1001}
