"""Other machines that build: real Nix on both sides, a real sshd for each machine, and a store of its own behind it."""

from __future__ import annotations

import base64
import getpass
import re
import shutil
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.starting import Running, Start, ended, still_there
from tests.testbed.command import Ended, Publish
from tests.testbed.machines import THIS_SYSTEM, FarMachine, MakeMachine, write_joined
from tests.testbed.own_store import OwnStores
from tests.testbed.ssh import SshServer, new_key, write_sauced

pytestmark = pytest.mark.slow

ALL_THERE = ("--nix-config", "max-jobs = 0")


def flags_for(flake: Path, *more: str) -> tuple[str, ...]:
    return ("--flake", f"path:{flake}#joined", "--to", "oci:image", "--log-level", "debug", *more)


def reaching(*machines: FarMachine, jobs: int = 2, first: bool = False) -> dict[str, str]:
    """The inputs by which these machines are reached. Whoever waits for a machine that is busy looks again after five seconds.

    With `first` Nix gives the first all that it has room for: it is the fastest.
    """
    speeds = [9 if first else 1, *(1 for _ in machines[1:])]
    lines = [
        f"{machine.address} {THIS_SYSTEM} - {jobs} {speed}"
        for machine, speed in zip(machines, speeds, strict=True)
    ]
    return {
        "FLAKESHIP_BUILDERS": "\n".join(lines),
        "FLAKESHIP_SSH_KEY": machines[0].key,
        "FLAKESHIP_SSH_KNOWN_HOSTS": "\n".join(machine.known for machine in machines),
    }


def built(
    publish: Publish,
    flake: Path,
    *machines: FarMachine,
    flags: tuple[str, ...] = ALL_THERE,
    jobs: int = 2,
    **environ: str,
) -> Ended:
    return publish(*flags_for(flake, *flags), **{**reaching(*machines, jobs=jobs), **environ})


def refused(done: Ended, code: int, machine: FarMachine) -> str:
    """What a run says that ends with `code` and has built nothing; its key is nowhere in it."""
    assert done.code == code, done.stderr
    assert "building '" not in done.stderr
    assert machine.key.splitlines()[1] not in done.stderr
    return done.stderr[done.stderr.index("error: ") :]


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
    done = built(publish, flake, first, second, jobs=1)
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


def test_a_machine_that_is_away_is_left_out_by_its_name(
    publish: Publish, flake: Path, make_machine: MakeMachine
) -> None:
    away, there = make_machine("away"), make_machine("there")
    away.kill()
    done = built(publish, flake, away, there)
    assert done.code == 0, done.stderr
    assert (
        f"the builder {away.address} is left out: no connection comes about (Connection refused)"
        in done.stderr
    )
    assert who_built(done, there) == {"joined", "left", "right"}


@pytest.mark.long
def test_where_all_are_away_this_machine_builds_if_it_may(
    publish: Publish, flake: Path, make_machine: MakeMachine
) -> None:
    away, there = make_machine("away"), make_machine("there")
    away.kill()
    there.kill()
    write_joined(flake, salt=str(uuid.uuid4()))
    said = refused(built(publish, flake, away, there), 3, away)
    assert "no builder is free, and `max-jobs` is 0" in said
    assert away.address in said
    assert there.address in said
    done = built(publish, flake, away, there, flags=())
    assert done.code == 0, "this machine builds"
    assert done.stderr.count("is left out") == 2


def begun(run: Running) -> str:
    """What a run says until a builder has started on a part."""
    assert run.stderr
    seen = ""
    for line in run.stderr:
        seen += line
        if "started" in line:
            break
    return seen


@pytest.mark.parametrize(
    ("others", "end"),
    [
        ("another", FarMachine.kill),
        pytest.param("another", FarMachine.freeze, marks=[pytest.mark.long, pytest.mark.timeout(180)]),
        pytest.param("another", FarMachine.drop, marks=pytest.mark.long),
        pytest.param("this one", FarMachine.kill, marks=pytest.mark.long),
        pytest.param("nobody", FarMachine.kill, marks=pytest.mark.long),
    ],
)
def test_a_machine_that_dies_while_it_builds_is_done_without(
    start: Start,
    flake: Path,
    make_machine: MakeMachine,
    tmp_path: Path,
    *,
    others: str,
    end: Callable[[FarMachine], None],
) -> None:
    dying = make_machine("dying")
    machines = [dying, make_machine("other")] if others == "another" else [dying]
    write_joined(flake, salt=str(uuid.uuid4()), seconds=1)
    words = flags_for(flake, *(() if others == "this one" else ALL_THERE))
    run = start(*words, **reaching(*machines, first=True))
    said = begun(run)
    end(dying)
    said += run.communicate(timeout=150)[1]
    lost = f"the builder {dying.address} was lost while it built "
    if others == "nobody":
        assert run.returncode == 3
        assert f"error: {lost}" in said
        assert f"no other machine builds for {THIS_SYSTEM}" in said
    else:
        assert run.returncode == 0, said
        assert f"warning: {lost}" in said


@pytest.mark.long
def test_after_an_interrupt_nothing_is_left(start: Start, flake: Path, make_machine: MakeMachine) -> None:
    write_joined(flake, salt=str(uuid.uuid4()), seconds=30)
    run = start(*flags_for(flake, *ALL_THERE), **reaching(make_machine("b1")))
    begun(run)
    code, said, seconds = ended(run, signal.SIGINT)
    assert code == 130, said
    assert seconds < 5


def test_after_signal_9_the_key_of_the_builders_is_gone_and_nothing_runs_on(
    start: Start, flake: Path, make_machine: MakeMachine, tmp_path: Path
) -> None:
    machine = make_machine("b1")
    write_joined(flake, salt=str(uuid.uuid4()), seconds=30)
    run = start(*flags_for(flake, *ALL_THERE), **reaching(machine))
    begun(run)
    (key,) = (tmp_path / "temporary").glob("*/ssh-key")
    assert key.stat().st_mode & 0o777 == 0o600
    run.kill()
    run.wait()
    patience = time.monotonic() + 10
    while key.exists() and time.monotonic() < patience:
        time.sleep(0.01)
    assert not key.exists()
    while still_there(tmp_path / "temporary") and time.monotonic() < patience:
        time.sleep(0.05)
    assert not still_there(tmp_path / "temporary"), (
        "Nix and ssh have ended, and nobody has told them but the kernel"
    )
    start("--source", "nothing", "--to", "oci:image").communicate(timeout=30)
    for folder in (tmp_path / "temporary").glob("nix-*"):
        shutil.rmtree(folder)


def test_who_is_not_whom_it_says_it_is_builds_nothing(
    publish: Publish, flake: Path, make_machine: MakeMachine, tmp_path: Path
) -> None:
    """Nor is it left out without a word: another host key, no host key, and a key that it does not take."""
    machine, other = make_machine("b1"), make_machine("other")
    host = machine.known.split()[0]
    changed = built(publish, flake, machine, FLAKESHIP_SSH_KNOWN_HOSTS=f"{host} {other.host_key}")
    said = refused(changed, 5, machine)
    assert f"the builder {machine.address} can't be used: it shows another host key" in said
    assert not machine.commands
    unknown = built(publish, flake, machine, FLAKESHIP_SSH_KNOWN_HOSTS=other.known)
    said = refused(unknown, 2, machine)
    assert f"builders: the host key of {machine.address} is not known" in said
    assert f"ssh-keyscan -p {machine.port} 127.0.0.1" in said
    assert "nix build" not in unknown.stderr
    barred = built(publish, flake, machine, FLAKESHIP_SSH_KEY=new_key(tmp_path / "barred"))
    assert "it does not take the key (Permission denied)" in refused(barred, 5, machine)


@pytest.mark.long
def test_the_eighth_field_and_the_third_say_all_that_is_needed(
    publish: Publish, flake: Path, make_machine: MakeMachine, tmp_path: Path
) -> None:
    """From a file, as /etc/nix/machines holds them; without any of the other inputs. There a daemon serves, and the key is for it alone,
    as docs/builders.md sets it up.
    """
    machine = make_machine("b1", trusts=getpass.getuser())
    serve = machine.folder / "serve"
    serve.write_text(serve.read_text().replace('sh -c "$SSH_ORIGINAL_COMMAND"', "nix-daemon --stdio"))
    key = tmp_path / "key"
    key.write_text(machine.key)
    key.chmod(0o600)
    host_key = base64.b64encode(machine.host_key.encode()).decode()
    line = f"ssh://{machine.address} {THIS_SYSTEM} {key} 2 1 - - {host_key}  # mine"
    (tmp_path / "machines").write_text(f"# who builds\n\n{line}\n")
    done = publish(*flags_for(flake, *ALL_THERE, "--builders", "@machines"))
    assert done.code == 0, done.stderr
    assert who_built(done, machine) == {"joined", "left", "right"}


def test_nobody_may_build(publish: Publish, flake: Path) -> None:
    done = publish(*flags_for(flake, *ALL_THERE))
    assert done.code == 2
    assert (
        "`max-jobs` is 0, so this machine builds nothing, and no builder is named for 3 derivations"
        in done.stderr
    )


def test_a_machine_that_does_not_trust_us_says_so(
    publish: Publish, flake: Path, make_machine: MakeMachine
) -> None:
    machine = make_machine("b1", trusts="somebody-else")
    done = built(publish, flake, machine, jobs=1)
    assert done.code == 5, done.stderr
    said = done.stderr[done.stderr.index("error: ") :]
    assert f"the builder {machine.address} does not trust its user" in said
    assert "`trusted-users`" in said


@pytest.mark.long
def test_what_no_machine_builds_for_names_the_ways_out(
    publish: Publish, flake: Path, make_machine: MakeMachine
) -> None:
    machine = make_machine("b1")
    write_joined(flake, salt=str(uuid.uuid4()), system="riscv64-linux")
    done = publish(
        *flags_for(flake)[2:],
        "--flake",
        f"path:{flake}#packages.riscv64-linux.joined",
        *ALL_THERE,
        **reaching(machine),
    )
    assert done.code == 3, done.stderr
    said = done.stderr[done.stderr.index("error: ") :]
    assert "riscv64-linux" in said
    for way in ("`--builders`", "binfmt", "cross"):
        assert way in said


@pytest.mark.long
def test_a_build_that_fails_elsewhere_fails_once(
    publish: Publish, flake: Path, make_machine: MakeMachine
) -> None:
    machine = make_machine("b1")
    write_joined(flake, salt="broken")
    done = built(publish, flake, machine)
    assert done.code == 3
    assert "building joined failed: its builder exited with code 1" in done.stderr
    assert done.stderr.count("joined> joining") == 1


@pytest.mark.long
def test_what_an_evaluation_needs_is_built_elsewhere_too(
    publish: Publish, flake: Path, make_machine: MakeMachine
) -> None:
    machine = make_machine("b1")
    words = flags_for(flake, *ALL_THERE)
    imported = tuple(word.replace("#joined", "#imported") for word in words)
    done = publish(*imported, **reaching(machine))
    assert done.code == 0, done.stderr
    assert who_built(done, machine) >= {"joined", "right"}
    assert machine.has("left")


@pytest.mark.long
@pytest.mark.parametrize(("config", "warned"), [("sandbox = false", 1), ("sandbox = false\nmax-jobs = 0", 0)])
def test_a_key_that_what_is_built_here_could_read_is_warned_of(
    config: str, warned: int, publish: Publish, flake: Path, make_machine: MakeMachine
) -> None:
    done = built(publish, flake, make_machine("b1"), flags=("--nix-config", config))
    assert done.code == 0, done.stderr
    assert done.stderr.count("can be read by what this machine builds") == warned, done.stderr


@pytest.mark.long
@pytest.mark.parametrize("closed", [1, 2])
def test_a_connection_that_is_closed_before_a_build_is_made_once_more(
    closed: int, publish: Publish, flake: Path, make_machine: MakeMachine
) -> None:
    """The first is that of the question whether it is there, the second that of a build."""
    machine = make_machine("busy")
    machine.closes = (closed,)
    done = built(publish, flake, machine, jobs=1)
    assert done.code == 0, done.stderr
    assert who_built(done, machine) == {"joined", "left", "right"}
    assert done.stderr.count("closed the connection") == closed - 1


@pytest.mark.long
@pytest.mark.parametrize("others", ["another", "nobody"])
def test_a_machine_whose_disk_is_full_is_done_without(
    others: str, publish: Publish, flake: Path, make_machine: MakeMachine
) -> None:
    full = make_machine("full")
    full.fill()
    machines = [full, make_machine("other")] if others == "another" else [full]
    done = publish(*flags_for(flake, *ALL_THERE), **reaching(*machines, first=True))
    told = f"the disk of the builder {full.address} is full, or that of this machine"
    if others == "another":
        assert done.code == 0, done.stderr
        assert f"warning: {told}" in done.stderr
        assert who_built(done, machines[1]) == {"joined", "left", "right"}
    else:
        assert done.code == 8, done.stderr
        assert f"error: {told}" in done.stderr
        assert "nix store gc" in done.stderr


@pytest.mark.long
def test_a_private_input_and_a_builder_have_a_key_each(
    publish: Publish,
    make_machine: MakeMachine,
    ssh_server: SshServer,
    private_repository: Path,
    tmp_path: Path,
) -> None:
    """`ssh-key` fetches, and the third field of `builders` reaches the machine; neither would open the other's door."""
    machine = make_machine("b1")
    key = tmp_path / "key-of-the-builder"
    key.write_text(machine.key)
    key.chmod(0o600)
    folder = tmp_path / "private"
    write_sauced(folder, f"git+{ssh_server.url(private_repository)}?ref=main", before=f": {uuid.uuid4()};")
    given = {
        "FLAKESHIP_BUILDERS": f"{machine.address} {THIS_SYSTEM} {key}",
        "FLAKESHIP_SSH_KEY": ssh_server.key,
        "FLAKESHIP_SSH_KNOWN_HOSTS": f"{machine.known}\n{ssh_server.known}",
    }
    asked = len(ssh_server.asked)
    done = publish("--flake", f"path:{folder}", "--to", "oci:image", *ALL_THERE, **given)
    assert done.code == 0, done.stderr
    assert who_built(done, machine) == {"sauced"}
    assert len(ssh_server.asked) > asked


@pytest.mark.long
def test_what_a_machine_has_built_is_kept_in_the_nix_cache(
    cold: OwnStores, flake: Path, make_machine: MakeMachine, tmp_path: Path
) -> None:
    """A second runner, whose store is empty, gets it from there and asks no machine."""
    machine = make_machine("b1")
    flags = (*flags_for(flake, *ALL_THERE), "--reuse", "off", "--nix-cache", f"oci:{tmp_path}/cache")
    first = cold().publish(*flags, cwd=tmp_path, **reaching(machine))
    assert first.code == 0, first.stderr
    assert who_built(first, machine) == {"joined", "left", "right"}
    asked = len(machine.commands)
    second = cold().publish(*flags, cwd=tmp_path, **reaching(machine))
    assert second.code == 0, second.stderr
    assert len(machine.commands) == asked, second.stderr
    assert second.stdout == first.stdout, "the same image, of which nothing but the cache had the parts"
