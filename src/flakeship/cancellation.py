"""What a signal does to a run: it ends the run at once, except while an image gets its names."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

# docs/decisions.md#the-third-signal-is-final
MAX_SIGNALS: Final = 2
"""The next signal after these ends the process at once, whatever is left behind."""

NAMING_GRACE_SECONDS: Final = 1.5
"""How long a run may go on naming an image after a signal, so that it ends within two seconds in all."""


# docs/decisions.md#cancelled-is-not-an-exception
class Cancelled(BaseException):
    """Raised wherever the run is when a signal comes.

    It is no Exception, so that no code takes it for a failure of what it does. `number` is the signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Cancellation:
    """The signals of one run. The first raises `Cancelled`, so that every block is left in order; the second is
    ignored; the third ends the process.
    """

    def __init__(self) -> None:
        self._received: list[int] = []
        self._deferred = False

    @contextlib.contextmanager
    def handled(self, *, last: bool = False) -> Iterator[None]:
        """Handle SIGINT, SIGTERM and SIGHUP within the block.

        Handlers are set even where the signals were ignored, because Python as the first process of a container has no
        handler for SIGTERM; SIGHUP stays ignored under nohup. After a signal they stay set, because the user is still
        to be told what it ended. With `last` the block is the last thing that the process does: when it ends without
        a signal, signals are ignored.
        """
        ours: dict[signal.Signals, Callable[[int, FrameType | None], None]] = {
            signal.SIGINT: self._cancel,
            signal.SIGTERM: self._cancel,
            signal.SIGALRM: self._give_up,
        }
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            ours[signal.SIGHUP] = self._cancel
        before = {number: signal.signal(number, handler) for number, handler in ours.items()}
        try:
            yield
            if last:
                before = dict.fromkeys(before, signal.SIG_IGN)
        except Exception as error:
            if self._received:  # an import that is interrupted fails by an error of its own
                raise Cancelled(self._received[0]) from error
            raise
        finally:
            for number, handler in before.items() if not self._received else ():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def uninterrupted(self) -> Iterator[None]:
        """Defer a signal that comes within the block to its end, but no longer than NAMING_GRACE_SECONDS.

        If the block fails, its error is the `__cause__` of the `Cancelled`; without a cause, all of the block was done.
        """
        self._deferred = True
        try:
            self._raise_if_received()
            yield
        except BaseException as error:
            self._release()
            if self._received:
                raise Cancelled(self._received[0]) from error
            raise
        self._release()
        self._raise_if_received()

    def _release(self) -> None:
        self._deferred = False
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _raise_if_received(self) -> None:
        if self._received:
            raise Cancelled(self._received[0])

    def _cancel(self, number: int, _: FrameType | None) -> None:
        self._received.append(number)
        if len(self._received) > MAX_SIGNALS:
            os._exit(128 + number)
        if len(self._received) > 1:
            return
        if not self._deferred:
            raise Cancelled(number)
        signal.setitimer(signal.ITIMER_REAL, NAMING_GRACE_SECONDS)

    def _give_up(self, _number: int, _: FrameType | None) -> None:
        if self._deferred:
            raise Cancelled(self._received[0])
