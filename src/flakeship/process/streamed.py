"""A program whose stdout is read as a stream while it runs."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from flakeship.process.child import end_group, started
from flakeship.process.pipes import BoundedPipe, Bounds, Drain


@dataclass(slots=True)
class Running:
    """A program that is running. Read `stdout` to its end, then call `wait`, which returns the exit status.

    `end` ends the program and its children, and may be called from any thread. `exceeded` says which bound the program
    broke, for which it was ended; empty where it broke none. `stdin` is that of a program that is `tied`; what is written
    is sent at once.
    """

    stdout: BinaryIO
    wait: Callable[[], int]
    end: Callable[[], None]
    exceeded: Callable[[], str] = str
    stdin: BinaryIO | None = None


@contextlib.contextmanager
def running(
    argv: Sequence[str],
    *,
    environ: Mapping[str, str],
    on_stderr: Callable[[bytes], None],
    cwd: str | None = None,
    bounds: Bounds | None = None,
    tied: bool = False,
    dies_with_us: bool = False,
) -> Iterator[Running]:
    """Start a program whose stdout is read as a stream, and end its whole process group when the block is left.

    A thread calls `on_stderr` with each line, without its line feed. What the callback raises, `wait` raises again.
    The stdin of one that is `tied` is a pipe that its user alone writes to, and whose end tells of ours, also of one by
    signal 9. One that `dies_with_us` gets SIGTERM then, where the machine has util-linux.
    Raises NotStartedError, and ResourceError where a limit is reached.
    """
    told = (*(_by_the_kernel(argv, environ) if dies_with_us else ()), *argv)
    with started(
        told, environ=environ, cwd=cwd, stdin=subprocess.PIPE if tied else subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        # A pipe holds 64 KiB: a program that prints more to stderr would wait for ever for a reader.
        drain = Drain(child.stderr, on_stderr)

        def wait() -> int:
            returncode = child.wait()
            drain.finish()
            return returncode

        # It is never closed here: closing waits for a thread that reads, and so for the program.
        raw = cast("io.RawIOBase", child.stdout)
        with BoundedPipe(raw, bounds, lambda: end_group(child)).watched() as bounded:
            stdout = io.BufferedReader(bounded if bounds else raw)
            yield Running(
                stdout,
                bounded.timed(wait),
                lambda: end_group(child),
                lambda: bounded.exceeded,
                cast("BinaryIO | None", child.stdin),
            )


# docs/decisions.md#the-kernel-tells-nix-of-our-end
def _by_the_kernel(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the words that begin a command line by which the kernel sends SIGTERM when the thread that starts it has ended.

    The result is empty if `setpriv` is not that of util-linux, or if the program of `argv` does not exist: then the start
    fails with the usual message.
    """
    path = environ.get("PATH", os.defpath)
    program = shutil.which("setpriv", path=path)
    if program is None or not shutil.which(argv[0], path=path):
        return ()
    if Path(program).resolve().name != "setpriv":  # busybox has one that can't
        return ()
    return (program, "--pdeathsig", "TERM", "--")
