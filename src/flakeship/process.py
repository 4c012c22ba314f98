"""Start subprocesses: the only module that does, always without a shell and in a process group of their own."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

from flakeship.errors import Error, ResourceError, advice

_LONGEST_LINE: Final = 1 << 20
_LACKS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
"""What fork(2) and pipe(2) answer where a limit is reached: it says nothing of the program."""

_GRACE: Final = 2.0
"""Seconds between SIGTERM and SIGKILL, and of silence after which a program that has ended is not listened to any more."""

OUTPUT_LIMIT: Final = 64 << 20
"""Bytes of stdout that are kept in memory: the JSON of a closure with 10,000 paths has 6 MB."""

_STDERR_KEPT: Final = 1 << 20
_PIECE: Final = 1 << 16
_LOOK: Final = 0.2
"""Seconds between two looks whether a program has ended whose pipes are still open."""


class NotStartedError(Error):
    """The program or the working folder does not exist, or may not be used."""

    @property
    def absent(self) -> bool:
        """True if there is no such program here."""
        return isinstance(self.__cause__, FileNotFoundError)


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
    with _started(argv, environ=environ, cwd=cwd, stdin=subprocess.PIPE) as child:
        with contextlib.closing(_Exchange(child, stdin, limit)) as exchange:
            while not exchange.ended():
                if deadline is not None and time.monotonic() > deadline:
                    raise TimeoutError(f"{argv[0]} took longer than {timeout:g} s")
                if given_up is not None and given_up.is_set():
                    raise TimeoutError(f"{argv[0]} was given up")
                exchange.step(deadline)
        if exchange.exceeded:
            _end_group(child)
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
        return self._child.poll() is not None and time.monotonic() - self._heard > _GRACE

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


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a program may be waited for and how much it may print: `patience` seconds and one for each `rate` bytes,
    and `size` bytes. What its reader does between two reads is not the program's time.
    """

    patience: float
    rate: int
    size: int


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
    with _started(
        told, environ=environ, cwd=cwd, stdin=subprocess.PIPE if tied else subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        # A pipe holds 64 KiB: a program that prints more to stderr would wait for ever for a reader.
        drain = _Drain(child.stderr, on_stderr)

        def wait() -> int:
            returncode = child.wait()
            drain.finish()
            return returncode

        # It is never closed here: closing waits for a thread that reads, and so for the program.
        raw = cast("io.RawIOBase", child.stdout)
        with _Bounded(raw, bounds, lambda: _end_group(child)).watched() as bounded:
            stdout = io.BufferedReader(bounded if bounds else raw)
            yield Running(
                stdout,
                bounded.timed(wait),
                lambda: _end_group(child),
                lambda: bounded.exceeded,
                cast("BinaryIO | None", child.stdin),
            )


# docs/decisions.md#the-kernel-tells-nix-of-our-end
def _by_the_kernel(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """The first words of a command line that lets the kernel send SIGTERM when the thread has ended that starts it.

    None where that program is not the one of util-linux, or where there is nothing to start, which is then said as ever.
    """
    path = environ.get("PATH", os.defpath)
    program = shutil.which("setpriv", path=path)
    if program is None or not shutil.which(argv[0], path=path):
        return ()
    if Path(program).resolve().name != "setpriv":  # busybox has one that can't
        return ()
    return (program, "--pdeathsig", "TERM", "--")


class _Bounded(io.RawIOBase):
    """A program's stdout, with a thread that ends the program when it takes too long or prints too much."""

    def __init__(self, raw: io.RawIOBase, bounds: Bounds | None, end: Callable[[], None]) -> None:
        self._raw, self._bounds, self._end = raw, bounds, end
        self._waited, self._size, self._since = 0.0, 0, 0.0
        self.exceeded = ""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if self.exceeded:
            return 0
        got: int = self.timed(lambda: self._raw.readinto(buffer) or 0)()
        self._size += got
        if self._bounds and self._size > self._bounds.size:
            self._exceed(f"printed more than {self._bounds.size} bytes")
            return 0
        return got

    def timed(self, call: Callable[[], int]) -> Callable[[], int]:
        """The same call, whose time is the program's."""

        def within() -> int:
            self._since = time.monotonic()
            try:
                return call()
            finally:
                self._waited += time.monotonic() - self._since
                self._since = 0.0

        return within

    @contextlib.contextmanager
    def watched(self) -> Iterator[_Bounded]:
        if self._bounds is None:
            yield self
            return
        left = threading.Event()
        watch = threading.Thread(target=self._watch, args=(self._bounds, left), daemon=True)
        watch.start()
        try:
            yield self
        finally:
            left.set()
            watch.join()

    def _watch(self, bounds: Bounds, left: threading.Event) -> None:
        while not left.wait(min(1.0, bounds.patience / 4)):
            since = self._since
            waited = self._waited + (time.monotonic() - since if since else 0.0)
            if since and waited > bounds.patience + self._size / bounds.rate:
                self._exceed(f"was waited for {waited:.0f} s, while it printed {self._size} bytes")
                return

    def _exceed(self, how: str) -> None:
        self.exceeded = how
        self._end()


@dataclass(slots=True)
class _Drain:
    """A thread that reads a pipe to its end. It cuts lines at 1 MiB, so that no program can fill our memory."""

    pipe: IO[bytes]
    take: Callable[[bytes], None]
    pieces: int = 0
    error: BaseException | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._drain, daemon=True)
        self.thread.start()

    def finish(self) -> None:
        """Wait until the pipe ends, or until two seconds pass without output.

        A daemon that the program left behind may hold the pipe open for ever.
        """
        seen = -1
        while self.thread.is_alive() and seen != self.pieces:
            seen = self.pieces
            self.thread.join(_GRACE)
        if self.error:
            raise self.error

    def _drain(self) -> None:
        rest = b""
        with contextlib.suppress(
            OSError, ValueError
        ):  # the pipe is closed while we read if the block is left early
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
        if error.errno in _LACKS:
            hint = "raise `ulimit -u`, or the container's own limit (`pids`): too many processes run"
            raise ResourceError(
                f"can't start {argv[0]}: {error.strerror}", hint=advice(error, hint)
            ) from error
        missing = error.filename if error.filename == cwd else argv[0]
        raise NotStartedError(f"can't start {argv[0]}: {missing}: {error.strerror}") from error
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
    """End the child and its children with SIGTERM, and after two seconds with SIGKILL."""
    _signal_group(child, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE
    while _signal_group(child, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    _signal_group(child, signal.SIGKILL)
    child.wait()


def _signal_group(child: subprocess.Popen[bytes], number: int) -> bool:
    """Signal the process group; return False if no process of it is left. A group can outlive the child, its leader."""
    child.poll()
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
