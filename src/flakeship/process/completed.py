"""A program that is run to its end, and whose output is kept in memory."""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Final, cast

from flakeship.process.child import GRACE, end_group, started

OUTPUT_LIMIT: Final = 64 << 20
"""Bytes of stdout that are kept in memory: the JSON of a closure with 10,000 paths has 6 MB."""

_STDERR_KEPT: Final = 1 << 20
_PIECE: Final = 1 << 16
_LOOK: Final = 0.2
"""Seconds between two looks whether a program has ended whose pipes are still open."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that has ended, with what it printed; of stderr the last 1 MiB. `returncode` is negative if a signal ended it.

    `printed_too_much` is true if it was ended because stdout went beyond its limit, and then `stdout` is only the
    beginning, and `returncode` not 0.
    """

    returncode: int
    stdout: bytes
    stderr: bytes
    printed_too_much: bool = False


def run(
    argv: Sequence[str],
    *,
    environ: Mapping[str, str],
    stdin: bytes = b"",
    cwd: str | None = None,
    timeout: float | None = None,
    limit: int = OUTPUT_LIMIT,
    given_up: threading.Event | None = None,
) -> Completed:
    """Run a program to its end and keep what it prints in memory, but no more than `limit` bytes of stdout.

    A thread that sets `given_up` ends it: the thread that waits for it here may be one that no signal reaches.

    A daemon that it leaves behind may keep the pipes open: two seconds of silence after the program's own end count as
    the end. Raises NotStartedError, TimeoutError after `timeout` seconds or where it is given up, and ResourceError where a
    limit is reached.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    with started(argv, environ=environ, cwd=cwd, stdin=subprocess.PIPE) as child:
        with contextlib.closing(_Exchange(child, stdin, limit)) as exchange:
            while not exchange.ended():
                if deadline is not None and time.monotonic() > deadline:
                    raise TimeoutError(f"{argv[0]} took longer than {timeout:g} s")
                if given_up is not None and given_up.is_set():
                    raise TimeoutError(f"{argv[0]} was given up")
                exchange.step(deadline)
        if exchange.exceeded:
            end_group(child)
            said = f"\n{argv[0]} was ended, because it printed more than {limit} bytes".encode()
            return Completed(
                child.returncode or -signal.SIGTERM, exchange.stdout, exchange.stderr + said, True
            )
        try:
            child.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"{argv[0]} took longer than {timeout:g} s") from error
    return Completed(child.returncode, exchange.stdout, exchange.stderr)


class _Exchange:
    """What is written to a program and read from it, without waiting for one pipe while another one is full."""

    def __init__(self, child: subprocess.Popen[bytes], stdin: bytes, limit: int) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        self._child, self._unsent, self._limit = child, memoryview(stdin), limit
        self._kept = {child.stdout: bytearray(), child.stderr: bytearray()}
        self._heard = time.monotonic()
        self._pipes = selectors.DefaultSelector()
        for pipe in self._kept:
            self._pipes.register(pipe, selectors.EVENT_READ)
        if stdin:
            self._pipes.register(child.stdin, selectors.EVENT_WRITE)
        else:
            child.stdin.close()

    def close(self) -> None:
        """Let go of the pipes, which stay open."""
        self._pipes.close()

    @property
    def stdout(self) -> bytes:
        assert self._child.stdout
        return bytes(self._kept[self._child.stdout][: self._limit])

    @property
    def stderr(self) -> bytes:
        assert self._child.stderr
        return bytes(self._kept[self._child.stderr][-_STDERR_KEPT:])

    @property
    def exceeded(self) -> bool:
        assert self._child.stdout
        return len(self._kept[self._child.stdout]) > self._limit

    def ended(self) -> bool:
        """Tell whether there is nothing more to read or to write, or nobody who would."""
        if self.exceeded or not self._pipes.get_map():
            return True
        return self._child.poll() is not None and time.monotonic() - self._heard > GRACE

    def step(self, deadline: float | None) -> None:
        """Move one piece through each pipe that is ready, and wait a moment where none is."""
        left = _LOOK if deadline is None else min(_LOOK, max(0.0, deadline - time.monotonic()))
        for key, _ in self._pipes.select(left):
            pipe = cast("IO[bytes]", key.fileobj)
            self._heard = time.monotonic()
            if pipe is self._child.stdin:
                self._write(pipe)
            else:
                self._read(pipe)

    def _write(self, pipe: IO[bytes]) -> None:
        try:
            sent = os.write(pipe.fileno(), self._unsent[: select.PIPE_BUF])
        except BrokenPipeError:  # it does not want to know more
            sent = len(self._unsent)
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._pipes.unregister(pipe)
            pipe.close()

    def _read(self, pipe: IO[bytes]) -> None:
        piece = os.read(pipe.fileno(), _PIECE)
        if not piece:
            self._pipes.unregister(pipe)
            return
        kept = self._kept[pipe]
        kept += piece
        if pipe is self._child.stderr and len(kept) > 2 * _STDERR_KEPT:
            del kept[:-_STDERR_KEPT]
