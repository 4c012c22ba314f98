"""The only place that starts a subprocess: a list for argv, its own process group, an environment without secrets."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, BinaryIO, Final

from flakeship.errors import Error

_SECRET_NAME: Final = re.compile(
    r"FLAKESHIP_.*|INPUT_.*|ACTIONS_.*|DOCKER_AUTH_CONFIG|CI_JOB_JWT.*"
    r"|.*(TOKEN|PASSWORD|PASSWD|SECRET|CREDENTIALS?|PRIVATE_KEY|SIGNING_KEY)(_.*)?|.*_KEY|.*_PAT"
)


class NotStartedError(Error):
    """The program is not there, or may not be executed."""


@dataclass(frozen=True, slots=True)
class Completed:
    returncode: int
    stdout: bytes
    stderr: bytes


def scrubbed(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what may be a secret: what a flake's code must never see.

    https://docs.github.com/actions/security-for-github-actions/security-guides/using-secrets-in-github-actions
    """
    return {name: value for name, value in environ.items() if not _SECRET_NAME.fullmatch(name.upper())}


def run(
    argv: Sequence[str],
    *,
    environ: Mapping[str, str],
    stdin: bytes = b"",
    cwd: str | None = None,
    timeout: float | None = None,
) -> Completed:
    """Run to the end and keep both outputs, for programs that print little. TimeoutError after `timeout` seconds."""
    with _started(argv, environ=environ, cwd=cwd, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            stdout, stderr = child.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"{argv[0]} took longer than {timeout:g} s") from error
    return Completed(child.returncode, stdout, stderr)


@dataclass(slots=True)
class Running:
    """A program under way; read `stdout` to its end, then `wait`. Its stderr goes line by line to the callback."""

    stdout: BinaryIO
    wait: Callable[[], int]


@contextlib.contextmanager
def running(
    argv: Sequence[str],
    *,
    environ: Mapping[str, str],
    on_stderr: Callable[[bytes], None],
    cwd: str | None = None,
) -> Iterator[Running]:
    """Start a program whose stdout is read as a stream; its whole process group is killed when the block is left.

    A thread drains stderr, for a pipe that nobody reads hangs the program at 64 KiB.
    """
    with _started(argv, environ=environ, cwd=cwd, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        drain = threading.Thread(target=_each_line, args=(child.stderr, on_stderr), daemon=True)
        drain.start()

        def wait() -> int:
            returncode = child.wait()
            drain.join()
            return returncode

        yield Running(child.stdout, wait)  # type: ignore[arg-type]


def _each_line(pipe: IO[bytes], take: Callable[[bytes], None]) -> None:
    with contextlib.suppress(ValueError):  # closed under us: the block was left early
        for line in pipe:
            take(line.rstrip(b"\r\n"))


@contextlib.contextmanager
def _started(
    argv: Sequence[str], *, environ: Mapping[str, str], cwd: str | None, stdin: int, stderr: int
) -> Iterator[subprocess.Popen[bytes]]:
    try:
        child = subprocess.Popen(
            list(argv),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=dict(environ),
            cwd=cwd,
            start_new_session=True,
        )
    except OSError as error:
        raise NotStartedError(f"cannot start {argv[0]}: {error.strerror}") from error
    try:
        yield child
    finally:
        _end_group(child)


def _end_group(child: subprocess.Popen[bytes], grace: float = 2.0) -> None:
    """End the child and its children: SIGTERM, and after `grace` seconds SIGKILL."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(grace)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
