"""The newest Nix on this side of ssh, which names machines, counts builds and words its errors otherwise than 2.8 does."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.test_builders import ALL_THERE, flags_for, reaching, who_built
from tests.testbed.far_flake import write_far_flake
from tests.testbed.machines import MakeMachine, write_joined
from tests.testbed.own_store import OwnStore, OwnStores

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture
def newer(cold: OwnStores, other_nix: Callable[..., Path]) -> OwnStore:
    """A runner with the Nix of Debian's next release, and an empty store."""
    runner = cold()
    path = f"{other_nix('sid', store=True)}:{runner.environ['PATH']}"
    return replace(runner, environ={**runner.environ, "PATH": path})


def test_machines_build_for_it(newer: OwnStore, make_machine: MakeMachine, tmp_path: Path) -> None:
    first, second = make_machine("b1"), make_machine("b2")
    write_joined(tmp_path / "app", salt=str(uuid.uuid4()), seconds=1)
    flags = (*flags_for(tmp_path / "app", *ALL_THERE),)
    done = newer.publish(*flags, cwd=tmp_path, **reaching(first, second, jobs=1))
    assert done.code == 0, done.stderr
    told = [who_built(done, machine) for machine in (first, second)]
    assert sorted(part for parts in told for part in parts) == ["joined", "left", "right"]
    assert all(told)


def test_a_machine_that_is_lost_is_done_without(
    newer: OwnStore, make_machine: MakeMachine, tmp_path: Path
) -> None:
    """It is lost as soon as it has answered."""
    busy, other = make_machine("busy"), make_machine("other")
    busy.closes = range(2, 99)
    write_joined(tmp_path / "app", salt=str(uuid.uuid4()))
    done = newer.publish(*flags_for(tmp_path / "app", *ALL_THERE), cwd=tmp_path, **reaching(busy, other))
    assert done.code == 0, done.stderr
    assert who_built(done, other) == {"joined", "left", "right"}


@pytest.mark.parametrize("kind", ["package", "script"])
def test_a_far_store_builds_for_it(
    newer: OwnStore, make_machine: MakeMachine, tmp_path: Path, kind: str
) -> None:
    far = make_machine("far")
    write_far_flake(tmp_path / "app", salt=str(uuid.uuid4()))
    flags = ("--flake", f"path:{tmp_path}/app#{kind}", "--created", "keep")
    told = {
        "FLAKESHIP_STORE": f"ssh-ng://{far.address}",
        "FLAKESHIP_SSH_KEY": far.key,
        "FLAKESHIP_SSH_KNOWN_HOSTS": far.known,
    }
    there = newer.publish(*flags, "--to", f"oci:{tmp_path}/far", cwd=tmp_path, **told)
    assert there.code == 0, there.stderr
    here = newer.publish(*flags, "--to", f"oci:{tmp_path}/here", cwd=tmp_path)
    assert here.code == 0, here.stderr

    def digest(name: str) -> str:
        return str(json.loads((tmp_path / name / "index.json").read_text())["manifests"][0]["digest"])

    assert digest("far") == digest("here")
