"""What a signal does to a run: it ends the run at once, except while an image gets its names."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

# docs/decisions.md#the-third-signal-is-final
MAX_SIGNALS: Final = 2
"""The next signal after these ends the process at once, whatever is left behind."""

NAMING_GRACE_SECONDS: Final = 1.5
"""How long a run may go on naming an image after a signal, so that it ends within two seconds in all."""

_WAKER: Final = signal.SIGURG
"""A signal that means nothing here, and is ignored where nobody handles it."""

_WAKES: Final = (0.02, 0.1, 0.5)
"""Seconds between a signal and each time that the main thread is woken for it."""


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
            _WAKER: lambda _number, _frame: None,
        }
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            ours[signal.SIGHUP] = self._cancel
        before = {number: signal.signal(number, handler) for number, handler in ours.items()}
        stop_waking = _begin_waking()
        try:
            yield
            if last:
                before = dict.fromkeys(before, signal.SIG_IGN)
        except Exception as error:
            if self._received:  # an import that is interrupted fails by an error of its own
                raise Cancelled(self._received[0]) from error
            raise
        finally:
            if not self._received:
                stop_waking()
                for number, handler in before.items():
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


def _begin_waking() -> Callable[[], None]:
    """Let each signal be heard at once, and return what ends that. Called by the main thread.

    Python runs handlers in the main thread, between two of its steps. A signal that comes behind the last look for one, and
    before the wait that follows, interrupts nothing, and would be heard only when that wait is over. So a thread learns of each
    signal by a pipe (https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd), and interrupts the wait.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    _thread.start_new_thread(_wake, (heard, _thread.get_ident()))

    def stop() -> None:
        signal.set_wakeup_fd(before)
        os.close(told)

    return stop


def _wake(heard: int, main: int) -> None:
    while numbers := os.read(heard, 64):
        if numbers.strip(bytes([_WAKER])):
            for seconds in _WAKES:
                time.sleep(seconds)
                signal.pthread_kill(main, _WAKER)
    os.close(heard)
