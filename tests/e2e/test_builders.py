"""Other machines that build: real Nix on both sides, a real sshd for each machine, and a store of its own behind it."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest

from tests.testbed.command import Ended, Publish
from tests.testbed.machines import THIS_SYSTEM, FarMachine, MakeMachine, write_joined

pytestmark = pytest.mark.slow

ALL_THERE = ("--nix-config", "max-jobs = 0")


def built(publish: Publish, flake: Path, *machines: FarMachine, flags: tuple[str, ...] = ALL_THERE) -> Ended:
    lines = [f"{machine.address} {THIS_SYSTEM}" for machine in machines]
    return publish(
        *("--flake", f"path:{flake}#joined", "--to", "oci:image", "--log-level", "debug", *flags),
        FLAKESHIP_BUILDERS="\n".join(lines),
        FLAKESHIP_SSH_KEY=machines[0].key,
        FLAKESHIP_SSH_KNOWN_HOSTS="\n".join(machine.known for machine in machines),
    )


def who_built(done: Ended, machine: FarMachine) -> set[str]:
    """What the log says that this machine built."""
    found = re.findall(rf"the builder {re.escape(machine.address)} built (.*)", done.stderr)
    return {part for line in found for part in line.split(", ")}


@pytest.fixture
def flake(tmp_path: Path) -> Path:
    """Nothing of it was ever built."""
    write_joined(tmp_path / "app", salt=str(uuid.uuid4()))
    return tmp_path / "app"


def test_both_machines_build_and_the_log_says_what(
    publish: Publish, flake: Path, make_machine: MakeMachine
) -> None:
    first, second = make_machine("b1"), make_machine("b2")
    write_joined(flake, salt=str(uuid.uuid4()), seconds=0.7)
    done = built(publish, flake, first, second)
    assert done.code == 0, done.stderr
    told = [who_built(done, machine) for machine in (first, second)]
    assert sorted(part for parts in told for part in parts) == ["joined", "left", "right"]
    for machine, parts in zip((first, second), told, strict=True):
        assert {"left", "right"} & parts
        assert all(machine.has(part) for part in parts)
    asked = len(first.commands)
    done = built(publish, flake, first, second)
    assert done.code == 0
    assert len(first.commands) == asked, "nothing is built, so nobody is asked"
