"""The pipes of a running program, each with a thread: one ends the program at its bounds, one reads stderr to its end."""

from __future__ import annotations

import contextlib
import io
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Final

from flakeship.process.child import GRACE

_LONGEST_LINE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a program may be waited for and how much it may print: `patience` seconds and one for each `rate` bytes,
    and `size` bytes; and `silence` seconds for any one read. What its reader does between two reads is not the program's time.
    """

    patience: float = math.inf
    rate: int = 1
    size: int = sys.maxsize
    silence: float = math.inf


class BoundedPipe(io.RawIOBase):
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
    def watched(self) -> Iterator[BoundedPipe]:
        """Watch over the bounds until the block is left."""
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
        while not left.wait(min(1.0, bounds.patience / 4, bounds.silence / 4)):
            since = self._since
            if since and time.monotonic() - since > bounds.silence:
                self._exceed(f"said nothing for {bounds.silence:g} s")
                return
            waited = self._waited + (time.monotonic() - since if since else 0.0)
            if since and waited > bounds.patience + self._size / bounds.rate:
                self._exceed(f"was waited for {waited:.0f} s, while it printed {self._size} bytes")
                return

    def _exceed(self, how: str) -> None:
        self.exceeded = how
        self._end()


@dataclass(slots=True)
class Drain:
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
            self.thread.join(GRACE)
        if self.error:
            raise self.error

    def _drain(self) -> None:
        rest = b""
        # the pipe is closed while we read if the block is left early
        with contextlib.suppress(OSError, ValueError):
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
