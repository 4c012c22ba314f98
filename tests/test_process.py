"""Processes: the secrets that they do not see, and their end with the block."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from flakeship import process
from flakeship.errors import ResourceError
from flakeship.process import NotStartedError, run, running

ENVIRON = {"PATH": os.environ["PATH"]}


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def eventually(true: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


def test_run_returns_both_outputs_and_the_exit_status() -> None:
    done = run(sh("cat; echo oops >&2; exit 3"), environ=ENVIRON, stdin=b"in")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"in", b"oops\n")


def test_the_child_has_exactly_the_environment_it_is_given() -> None:
    assert run(["/usr/bin/env"], environ={"ONLY": "this"}).stdout == b"ONLY=this\n"


def test_the_child_starts_in_the_given_folder(tmp_path: Path) -> None:
    assert run(["pwd"], environ=ENVIRON, cwd=str(tmp_path)).stdout.decode().strip() == str(tmp_path)


def test_a_program_may_ignore_its_stdin() -> None:
    assert run(["true"], environ=ENVIRON, stdin=b"x" * 1_000_000).returncode == 0


def test_a_missing_program_is_named() -> None:
    with pytest.raises(NotStartedError, match=r"can't start no-such-program: .*No such file"):
        run(["no-such-program"], environ=ENVIRON)


def test_a_missing_folder_is_named_and_not_the_program(tmp_path: Path) -> None:
    with pytest.raises(NotStartedError, match=r"can't start pwd: .*/nowhere: No such file"):
        run(["pwd"], environ=ENVIRON, cwd=str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    "script",
    [
        "exec cat /dev/zero",  # without an end
        "head -c 5000 /dev/zero",  # it has ended before we notice
        "cat /dev/zero >&2 & exec cat /dev/zero",  # and so does its child
        "trap '' PIPE; printf %05000d 0; exec sleep 100",
    ],
)
def test_what_a_program_prints_is_bounded(script: str) -> None:
    done = run(sh(script), environ=ENVIRON, stdin=b"x" * 100_000, limit=4096)
    assert (len(done.stdout), done.printed_too_much) == (4096, True)
    assert done.returncode != 0
    assert done.stderr.endswith(b"sh was ended, because it printed more than 4096 bytes")


def test_what_is_exactly_as_long_as_the_limit_is_whole() -> None:
    done = run(sh("printf %04096d 7"), environ=ENVIRON, limit=4096)
    assert (len(done.stdout), done.printed_too_much, done.returncode) == (4096, False, 0)


def test_of_stderr_the_end_is_kept() -> None:
    done = run(sh("head -c 5000000 /dev/zero >&2; echo the reason >&2; exit 3"), environ=ENVIRON)
    assert done.returncode == 3
    assert len(done.stderr) <= 1 << 20
    assert done.stderr.endswith(b"\0the reason\n")


@pytest.mark.slow
def test_a_daemon_that_is_left_behind_is_not_waited_for(tmp_path: Path) -> None:
    """As gpg-agent, which the helper of `pass` starts: it may hold the pipes for as long as the machine runs."""
    pids = tmp_path / "pids"
    done = run(sh(f"sleep 100 & echo $! > {pids}; echo done"), environ=ENVIRON, timeout=30)
    assert (done.returncode, done.stdout) == (0, b"done\n")
    (daemon,) = map(int, pids.read_text().split())
    assert alive(daemon), "it is not ours to end"
    os.kill(daemon, 9)


@pytest.mark.parametrize(
    ("number", "limit"),
    [
        (errno.EMFILE, "ulimit -n"),
        (errno.ENFILE, "fs.file-max"),
        (errno.ENOMEM, "memory"),
        (errno.EAGAIN, "ulimit -u"),
    ],
)
def test_a_limit_that_is_reached_says_nothing_of_the_program(
    monkeypatch: pytest.MonkeyPatch, number: int, limit: str
) -> None:
    def refused(*_: object, **__: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(subprocess, "Popen", refused)
    with pytest.raises(ResourceError, match=f"can't start pwd: {os.strerror(number)}") as caught:
        run(["pwd"], environ=ENVIRON)
    assert limit in caught.value.hint


@pytest.mark.slow
def test_a_timeout_ends_the_program_and_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is over when both have begun, however long that takes."""
    pids, begun = tmp_path / "pids", tmp_path / "begun"
    script = f"sleep 100 & echo $! > {pids}; echo $$ >> {pids}; touch {begun}; wait"
    clock = SimpleNamespace(monotonic=lambda: 1.0 if begun.exists() else 0.0)
    monkeypatch.setattr("flakeship.process.completed.time", clock)
    with pytest.raises(TimeoutError, match=r"sh took longer than 0\.5 s"):
        run(sh(script), environ=ENVIRON, timeout=0.5)
    assert eventually(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()))


def test_stdout_can_be_read_while_stderr_is_drained() -> None:
    lines: list[bytes] = []
    script = "i=0; while [ $i -lt 3000 ]; do echo 'a long line on stderr, more than a pipe holds' >&2; i=$((i+1)); done; echo out"
    with running(sh(script), environ=ENVIRON, on_stderr=lines.append) as child:
        assert child.stdout.read() == b"out\n"
        assert child.wait() == 0
    assert lines == [b"a long line on stderr, more than a pipe holds"] * 3000


def test_lines_arrive_when_they_are_written() -> None:
    lines: list[bytes] = []
    with running(
        sh("printf 'one\\r\\ntwo\\nrest' >&2; read x < /dev/zero"), environ=ENVIRON, on_stderr=lines.append
    ):
        assert eventually(lambda: lines == [b"one", b"two"])
    assert eventually(lambda: lines == [b"one", b"two", b"rest"])


def test_an_endless_line_is_cut() -> None:
    lines: list[bytes] = []
    with running(sh("head -c 5000000 /dev/zero >&2"), environ=ENVIRON, on_stderr=lines.append) as child:
        assert child.wait() == 0
    assert sum(map(len, lines)) == 5_000_000
    assert max(map(len, lines)) < 1_200_000


def test_what_the_callback_raises_is_raised_by_wait() -> None:
    def refuse(line: bytes) -> None:
        raise KeyError(line)

    with (
        running(
            sh("head -c 1000000 /dev/zero | tr '\\0' '\\n' >&2; exit 0"), environ=ENVIRON, on_stderr=refuse
        ) as child,
        pytest.raises(KeyError),
    ):
        child.wait()


def test_leaving_the_block_ends_the_whole_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 100 & echo $! > {pids}; echo $$ >> {pids}; echo ready; wait"
    with running(sh(script), environ=ENVIRON, on_stderr=lambda line: None) as child:
        child.stdout.readline()
    assert eventually(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()))


@pytest.mark.slow
def test_a_grandchild_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sh -c 'trap \"\" TERM; echo $$ > {pids}; echo ready; while :; do sleep 1; done' & wait"
    with running(sh(script), environ=ENVIRON, on_stderr=lambda line: None) as child:
        child.stdout.readline()
    assert eventually(lambda: not alive(int(pids.read_text())))


def test_an_exception_in_the_block_ends_the_program() -> None:
    with (
        pytest.raises(RuntimeError, match="cancelled"),
        running(["sleep", "100"], environ=ENVIRON, on_stderr=lambda line: None) as program,
    ):
        raise RuntimeError("cancelled")
    assert program.wait() == -signal.SIGTERM


def test_a_thread_that_reads_does_not_block_the_end() -> None:
    begun = time.monotonic()
    with running(sh("exec sleep 1000"), environ=ENVIRON, on_stderr=lambda line: None) as program:
        reading = threading.Thread(target=program.stdout.read, args=(10,), daemon=True)
        reading.start()
        time.sleep(0.2)
    assert time.monotonic() - begun < 500
    reading.join(60)
    assert not reading.is_alive()


@pytest.mark.slow
def test_a_daemon_that_holds_stderr_open_does_not_block_wait(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    lines: list[bytes] = []
    started = time.monotonic()
    with running(
        sh(f"setsid sleep 200 > /dev/null & echo $! > {pid}; sleep 0.2; echo last >&2"),
        environ=ENVIRON,
        on_stderr=lines.append,
    ) as child:
        assert child.wait() == 0
    assert time.monotonic() - started < 100
    assert lines == [b"last"]
    os.kill(int(pid.read_text()), 9)


BOUNDS = process.Bounds(patience=0.4, rate=1_000_000_000, size=1 << 20)
PATIENT = replace(BOUNDS, patience=60)
"""For programs that must have begun before what is looked at, which takes a busy machine longer than the other."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("sleep 600", "was waited for"),
        ("echo begun; sleep 600", "was waited for"),
        ("exec 1>&-; sleep 600", "was waited for"),
        ("while sleep 0.1; do echo dribble; done", "was waited for"),
        ("while sleep 0.1; do echo chatter >&2; done", "was waited for"),
        ("yes", "printed more than 1048576 bytes"),
    ],
)
def test_a_program_that_breaks_its_bounds_is_ended(script: str, why: str) -> None:
    bounds = PATIENT if "printed" in why else BOUNDS
    with running(sh(script), environ=ENVIRON, on_stderr=lambda _: None, bounds=bounds) as child:
        while child.stdout.read(1 << 16):
            pass
        assert child.wait() < 0
        assert why in child.exceeded()


@pytest.mark.slow
def test_the_time_of_its_reader_is_not_the_program_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reader takes an hour by the clock that the bounds go by, in which they are looked at once."""
    hour = 0.0
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + hour)
    monkeypatch.setattr("flakeship.process.pipes.time", clock)
    with running(
        sh("yes | head -c 500000"), environ=ENVIRON, on_stderr=lambda _: None, bounds=PATIENT
    ) as child:
        data = child.stdout.read(10)
        hour = 3600.0
        time.sleep(1.5)
        data += child.stdout.read()
        assert (child.wait(), child.exceeded(), len(data)) == (0, "", 500_000)
