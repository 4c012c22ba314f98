"""The only place that starts a subprocess: a list for argv, its own process group, an environment without secrets."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, BinaryIO, Final, cast

from flakeship.errors import Error

_SECRET_NAME: Final = re.compile(
    r"FLAKESHIP_.*|INPUT_.*|ACTIONS_.*|DOCKER_AUTH_CONFIG|CI_JOB_JWT.*"
    r"|.*(TOKEN|PASSWORD|PASSWD|SECRET|CREDENTIALS?|PRIVATE_KEY|SIGNING_KEY)(_.*)?|.*_KEY|.*_PAT"
)
_SECRET_VALUE: Final = re.compile(r"://[^/\s@]*:[^/\s@]+@")
"""A password in an address, as in GitLab's CI_REPOSITORY_URL, which holds the token of the job."""

_NEEDED: Final = re.compile(r"NIX_.*|.*_PROXY")
"""Nix would go nowhere without these."""

_LONGEST_LINE: Final = 1 << 20
_GRACE: Final = 2.0


class NotStartedError(Error):
    """The program is not there, or may not be executed."""


@dataclass(frozen=True, slots=True)
class Completed:
    returncode: int
    stdout: bytes
    stderr: bytes


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what may be a secret: what a flake's code must never see.

    https://docs.github.com/actions/security-for-github-actions/security-guides/using-secrets-in-github-actions
    """
    return {name: value for name, value in environ.items() if not _is_secret(name.upper(), value)}


def _is_secret(name: str, value: str) -> bool:
    told = _SECRET_VALUE.search(value) and not _NEEDED.fullmatch(name)
    return bool(told or _SECRET_NAME.fullmatch(name))


def run(
    argv: Sequence[str],
    *,
    environ: Mapping[str, str],
    stdin: bytes = b"",
    cwd: str | None = None,
    timeout: float | None = None,
) -> Completed:
    """Run to the end and keep both outputs, for programs that print little. TimeoutError after `timeout` seconds."""
    with _started(argv, environ=environ, cwd=cwd, stdin=subprocess.PIPE) as child:
        try:
            stdout, stderr = child.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"{argv[0]} took longer than {timeout:g} s") from error
    return Completed(child.returncode, stdout, stderr)


@dataclass(slots=True)
class Running:
    """A program under way; read `stdout` to its end, then `wait`. Its stderr goes line by line to the callback.

    `end` ends the whole group before its time, from any thread.
    """

    stdout: BinaryIO
    wait: Callable[[], int]
    end: Callable[[], None]


@contextlib.contextmanager
def running(
    argv: Sequence[str],
    *,
    environ: Mapping[str, str],
    on_stderr: Callable[[bytes], None],
    cwd: str | None = None,
) -> Iterator[Running]:
    """Start a program whose stdout is read as a stream; its whole process group is ended when the block is left.

    A thread drains stderr, for a pipe that nobody reads hangs the program at 64 KiB. What `on_stderr` raises
    is raised by `wait`.
    """
    with _started(argv, environ=environ, cwd=cwd, stdin=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        drain = _Drain(child.stderr, on_stderr)

        def wait() -> int:
            returncode = child.wait()
            drain.finish()
            return returncode

        # Never closed here: that would wait for a thread in the midst of a read, and so for the program.
        stdout = io.BufferedReader(cast("io.RawIOBase", child.stdout))
        yield Running(stdout, wait, lambda: _end_group(child))


@dataclass(slots=True)
class _Drain:
    """Reads a pipe to its end in a thread. A line above 1 MiB is cut, so that no program can fill our memory."""

    pipe: IO[bytes]
    take: Callable[[bytes], None]
    pieces: int = 0
    error: BaseException | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._drain, daemon=True)
        self.thread.start()

    def finish(self) -> None:
        """Wait for the end of the pipe, or for silence: a daemon that outlives the program may hold it open."""
        seen = -1
        while self.thread.is_alive() and seen != self.pieces:
            seen = self.pieces
            self.thread.join(_GRACE)
        if self.error:
            raise self.error

    def _drain(self) -> None:
        rest = b""
        with contextlib.suppress(OSError, ValueError):  # closed under us: the block was left early
            while piece := self.pipe.read(1 << 16):
                self.pieces += 1
                *lines, rest = (rest + piece).split(b"\n")
                if len(rest) > _LONGEST_LINE:
                    lines, rest = [*lines, rest], b""
                self._give(lines)
        if rest:
            self._give([rest])

    def _give(self, lines: Sequence[bytes]) -> None:
        if self.error:
            return
        try:
            for line in lines:
                self.take(line.rstrip(b"\r"))
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            self.error = error


@contextlib.contextmanager
def _started(
    argv: Sequence[str], *, environ: Mapping[str, str], cwd: str | None, stdin: int
) -> Iterator[subprocess.Popen[bytes]]:
    try:
        child = subprocess.Popen(
            list(argv),
            bufsize=0,  # a buffered pipe can't be closed while a thread reads it
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environ),
            cwd=cwd,
            start_new_session=True,
        )
    except OSError as error:
        missing = error.filename if error.filename == cwd else argv[0]
        raise NotStartedError(f"cannot start {argv[0]}: {missing}: {error.strerror}") from error
    try:
        yield child
    finally:
        if child.returncode is None:
            _end_group(child)
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """End the child and its children: SIGTERM, and SIGKILL for those that are there after the grace."""
    _signal_group(child, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE
    while _signal_group(child, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    _signal_group(child, signal.SIGKILL)
    child.wait()


def _signal_group(child: subprocess.Popen[bytes], number: int) -> bool:
    """Whether there was anybody to signal: the group outlives its leader, so ask for it and not for the child."""
    child.poll()
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
