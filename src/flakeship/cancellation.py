"""What a signal does to a run: it ends it at once, but for the moments in which an image gets its names."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Final

from flakeship.errors import CancelledError, Error

if TYPE_CHECKING:
    from flakeship.commands.publish.tag_record import TagRecord
    from flakeship.events import Emit

_PATIENCE: Final = 2
"""Signals after which the next one ends the process at once, whatever is left behind."""

_HELD: Final = 1.5
"""Seconds that the names of an image are waited for once a signal has come: all in all a run ends within two."""


class Cancelled(BaseException):
    """Raised wherever the run is; no Exception, lest somebody takes it for a failure of what they do."""


class Cancellation:
    """The signals of a run: the first ends it by `Cancelled`, so that every block is left in order; the second is late,
    the third final.
    """

    def __init__(self) -> None:
        self._came: list[int] = []
        self._held = False
        self._record: TagRecord | None = None

    def recorded(self, emit: Emit) -> Emit:
        """Emit as before; from now on it is known which names are set."""
        from flakeship.commands.publish.tag_record import TagRecord

        self._record = TagRecord(emit)
        return self._record

    def told(self, end: Cancelled | Error) -> Error:
        """What to tell of the end of a run."""
        if isinstance(end, Error):
            return self._record.failed(end) if self._record else end
        if self._record is None:
            return CancelledError(self._came[0])
        return self._record.cancelled(self._came[0], end.__cause__)

    @contextlib.contextmanager
    def handled(self, *, last: bool = False) -> Iterator[None]:
        """Handlers are set even where they were ignored: Python as a container's first process has none for SIGTERM.

        nohup's is left. After a signal they stay: there is still to be said what it ended. When the `last` run has come to
        its end without one, it is too late for any.
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
            if self._came:  # an import that is interrupted fails by an error of its own
                raise Cancelled from error
            raise
        finally:
            for number, handler in before.items() if not self._came else ():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def uninterrupted(self) -> Iterator[None]:
        """A signal that comes within the block ends the run when the block is left, or _HELD seconds later.

        What the block fails by is the cause of the `Cancelled` then; without one, all of the block was done.
        """
        self._held = True
        try:
            self._check()
            yield
        except BaseException as error:
            self._release()
            if self._came:
                raise Cancelled from error
            raise
        self._release()
        self._check()

    def _release(self) -> None:
        self._held = False
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _check(self) -> None:
        if self._came:
            raise Cancelled

    def _cancel(self, number: int, _: FrameType | None) -> None:
        self._came.append(number)
        if len(self._came) > _PATIENCE:
            os._exit(128 + number)
        if len(self._came) > 1:
            return
        if not self._held:
            raise Cancelled
        signal.setitimer(signal.ITIMER_REAL, _HELD)

    def _give_up(self, _number: int, _: FrameType | None) -> None:
        if self._held:
            raise Cancelled
