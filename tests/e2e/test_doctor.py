"""`flakeship doctor` with real Nix, a real registry and what is wrong with each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.testbed.machines import MakeMachine
from tests.testbed.nix import MakeFlake
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

Doctor = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def doctor(nix_environ: Mapping[str, str], tmp_path: Path) -> Doctor:
    def run(*words: str, cwd: Path = tmp_path, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flakeship", "doctor", *words],
            cwd=cwd,
            env={**nix_environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def states(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    return {found["what"]: found["state"] for found in json.loads(done.stdout)}


def test_all_is_well_and_nothing_is_built_or_sent(
    doctor: Doctor, make_flake: MakeFlake, basic_registry: Registry
) -> None:
    repository = basic_registry.new_repository()
    flake = make_flake(fresh=True)
    given = {"FLAKESHIP_USERNAME": basic_registry.username, "FLAKESHIP_PASSWORD": basic_registry.password}
    platforms = ("--platforms", "linux/amd64,linux/arm64")
    done = doctor(".#hello", f"{basic_registry.host}/{repository}:1", *platforms, cwd=flake, **given)
    assert done.returncode == 0, done.stderr
    assert "building" not in done.stderr
    for system in ("x86_64-linux", "aarch64-linux"):
        assert f".#packages.{system}.hello evaluates to /nix/store/" in done.stdout
    assert "takes images, with FLAKESHIP_USERNAME and FLAKESHIP_PASSWORD" in done.stdout
    assert f"clock        this machine's clock agrees with that of {basic_registry.host}" in done.stdout
    assert basic_registry.password not in done.stdout + done.stderr
    assert basic_registry.tags(repository) == []
    assert basic_registry.open_uploads(repository) == []


def test_each_fault_is_named_with_what_to_do(
    doctor: Doctor, make_flake: MakeFlake, basic_registry: Registry
) -> None:
    flake, repository = make_flake(), basic_registry.new_repository()
    (flake / "new.nix").write_text("{ }")
    given = {"FLAKESHIP_USERNAME": "someone", "FLAKESHIP_PASSWORD": "CaNaRy-wrong-password"}
    done = doctor(".#missing", f"{basic_registry.host}/{repository}:1", cwd=flake, **given)
    assert done.returncode == 7
    assert "2 checks failed" in done.stderr
    assert "git does not track new.nix" in done.stdout
    assert "FAIL  flake        " in done.stdout
    refused = next(line for line in done.stdout.splitlines() if line.startswith("FAIL  destination  "))
    assert refused.count("FLAKESHIP_USERNAME and FLAKESHIP_PASSWORD") == 1, refused
    assert done.stdout.count("-> ") >= 3
    assert "CaNaRy" not in done.stdout + done.stderr
    found = states(doctor(".#missing", f"{basic_registry.host}/{repository}:1", "--json", cwd=flake, **given))
    assert (found["nix"], found["files"], found["flake"], found["destination"]) == (
        "ok",
        "warning",
        "error",
        "error",
    )


def test_a_source_needs_no_nix(doctor: Doctor, tmp_path: Path) -> None:
    found = states(doctor("--source", "x.tar", "--to", "oci:out", "--json", PATH="/nowhere"))
    assert found["destination"] == "ok"
    assert "nix" not in found
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_builders_are_asked(doctor: Doctor, make_flake: MakeFlake, make_machine: MakeMachine) -> None:
    there, away = make_machine("there"), make_machine("away")
    away.kill()
    done = doctor(
        *(".#hello", "--json"),
        cwd=make_flake(),
        FLAKESHIP_BUILDERS=f"{there.address};{away.address}",
        FLAKESHIP_SSH_KEY=there.key,
        FLAKESHIP_SSH_KNOWN_HOSTS=f"{there.known}\n{away.known}",
    )
    found = states(done)
    assert found[f"builder {there.address}"] == "ok"
    assert found[f"builder {away.address}"] == "error"
