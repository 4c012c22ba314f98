"""What a script starts, and itself, outlives neither the run nor, where it is a flake's, its own end.

Everything that a script starts has its stdout: when the pipe ends, nothing of it is left.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

import pytest

from flakeship.confinement import scripts, variables
from flakeship.confinement.scripts import Confinement, Mode

pytestmark = pytest.mark.slow  # they start programs

SYSTEM: Final = ("/bin", "/lib", "/lib64", "/usr")
WITHOUT_RIGHTS: Final = ("setpriv", "--bounding-set", "-sys_admin")
DAEMON: Final = "setsid sh -c 'echo ready; exec sleep 60' &"
MODES: Final = [
    ("store", ()),
    ("own", ()),
    ("nobody", ()),
    ("nobody", WITHOUT_RIGHTS),  # it can't make a namespace of processes either
    ("plain", ()),
]


def started(mode: Mode, line: str, before: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    argv = scripts.launched(mode, SYSTEM, ["/bin/sh", "-c", line])
    return subprocess.Popen(
        [*before, *argv],
        env=dict(variables.SCRIPT),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def ended(pipe: IO[bytes] | None) -> bool:
    """Whether nobody has the other end of the pipe any more, or will soon not have it."""
    assert pipe
    patience = time.monotonic() + 10
    while select.select([pipe], [], [], max(0.0, patience - time.monotonic()))[0]:
        if not os.read(pipe.fileno(), 4096):
            return True
    return False


@pytest.mark.parametrize(("mode", "before"), MODES)
def test_a_daemon_that_a_flake_s_script_leaves_is_ended_with_it(mode: Mode, before: Sequence[str]) -> None:
    with started(mode, f"{DAEMON} read line < /dev/stdin; exit 3", before) as process:
        assert ended(process.stdout)
        assert process.wait(10) == 3


@pytest.mark.parametrize(("mode", "before"), [*MODES, ("user", ())])
def test_script_and_daemon_end_when_the_run_is_killed(mode: Mode, before: Sequence[str]) -> None:
    """The kernel closes what a process had open, so closing it is what a signal 9 does."""
    line = "echo ready; exec sleep 60" if mode == "user" else f"{DAEMON} exec sleep 60"
    with started(mode, line, before) as process:
        assert process.stdout
        assert process.stdin
        assert os.read(process.stdout.fileno(), 100) == b"ready\n"
        process.stdin.close()
        assert ended(process.stdout)
        assert process.wait(10) == -signal.SIGKILL


@pytest.mark.parametrize(("mode", "before"), MODES)
def test_script_and_daemon_end_when_the_run_ends_them(mode: Mode, before: Sequence[str]) -> None:
    with started(mode, f"{DAEMON} exec sleep 60", before) as process:
        assert process.stdout
        assert os.read(process.stdout.fileno(), 100) == b"ready\n"
        os.killpg(process.pid, signal.SIGTERM)
        assert ended(process.stdout)


def test_a_script_of_the_user_s_own_ends_as_it_wants() -> None:
    """It has its own way to end by SIGTERM, and what it leaves running is meant."""
    with started("user", "trap 'echo bye; exit 7' TERM; sh -c 'echo ready; exec sleep 60' & wait") as process:
        assert process.stdout
        assert os.read(process.stdout.fileno(), 100) == b"ready\n"
        os.killpg(process.pid, signal.SIGTERM)
        assert process.stdout.read() == b"bye\n"
        assert process.wait(10) == 7
    with started("user", "setsid sh -c 'echo $$; exec sleep 60' & exit 0") as process:
        assert process.stdout
        left = int(process.stdout.readline())
        assert process.wait(10) == 0
        os.kill(left, signal.SIGKILL)
        assert ended(process.stdout)


def test_a_run_that_is_killed_ends_its_script() -> None:
    """The whole way: by `process.running`, from a process that gets signal 9."""
    program = (
        "import sys; from flakeship import process; from flakeship.confinement.scripts import Confinement\n"
        f"argv = Confinement().alone(['/bin/sh', '-c', 'echo ready; exec sleep 60'], {SYSTEM!r}, store=None)\n"
        "with process.running(argv, environ={}, on_stderr=print, tied=True) as script:\n"
        "    print(script.stdout.readline().decode(), flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as run:
        assert run.stdout
        assert run.stdout.readline() == b"ready\n"
        launchers = _children(run.pid)
        assert launchers
        run.kill()
        run.wait()
    patience = time.monotonic() + 10
    while (left := [number for number in launchers if _alive(number)]) and time.monotonic() < patience:
        os.sched_yield()
    assert not left


def _children(number: int) -> list[int]:
    """The processes of its children's sessions."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found = [number]
    for parent in found:
        found += [child for child, its in pairs if its == parent]
    return found[1:]


def _alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("mode", ["store", "user"])
def test_its_stdin_is_empty(mode: Mode) -> None:
    """The pipe is the launcher's; a script that read from it would wait for ever."""
    with started(mode, "cat") as process:
        assert ended(process.stdout)
        assert process.wait(10) == 0


@pytest.mark.parametrize("mode", ["plain", "user"])
def test_where_nothing_can_be_confined_it_is_tied_all_the_same(
    monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(scripts, "_possible", lambda _: False)
    confinement = Confinement()
    argv = (
        confinement.alone(["/bin/true"], (), store=Path("/nix/store"))
        if mode == "plain"
        else confinement.as_its_user_would(["/bin/true"])
    )
    assert mode in argv
    assert argv[-2:] == ("--", "/bin/true")


def test_nobody_can_not_end_the_launcher() -> None:
    """Or its daemon would run on: where there is no namespace of processes it sees the launcher."""
    line = f"{DAEMON} kill -9 $(ps -o ppid= -p $PPID) 2>/dev/null; kill -9 $PPID 2>/dev/null; exit 3"
    with started("nobody", line, WITHOUT_RIGHTS) as process:
        assert ended(process.stdout)
        assert process.wait(10) in {3, -signal.SIGKILL}
