"""The upload sessions that a run holds open at one repository, so that none is left when it ends before its time.

Requests that open a session or send to it are made by threads of their own: a signal reaches the main thread alone, and
can't come between a session and the note that it is open.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from flakeship.errors import Error
from flakeship.registry.client import RegistryClient
from flakeship.registry.upload_answer import UploadSession


class EndedError(Error):
    """The run ends, and no further session is opened. Whoever hears of it has nobody left to tell."""

    def __init__(self) -> None:
        super().__init__("the run ends before this upload")


@dataclass(frozen=True, slots=True)
class Grace:
    """Seconds from the beginning of the end: `patience` for bodies that are being sent, `total` for all of it."""

    patience: float
    total: float


# docs/decisions.md#sessions-are-ended-before-the-run
AFTER_SIGNAL: Final = Grace(0.6, 1.2)
"""Within the two seconds that a cancelled run may take."""

AFTER_ERROR: Final = Grace(1.0, 3.0)


class UploadSessions:
    """Each session is ended once: by a commit, by the thread that opened it, or, while that thread waits, by `begin_end`.

    Its methods may be called by several threads. Those that raise EndedError do so from `begin_end` on.
    """

    def __init__(self, client: RegistryClient) -> None:
        self._client = client
        self._changed = threading.Condition()
        self._open: set[UploadSession] = set()
        self._used: set[UploadSession] = set()
        self._requests = 0
        """Those under way that open a session or delete one."""
        self._ended_at: float | None = None

    @property
    def ended(self) -> bool:
        """True from `begin_end` on."""
        return self._ended_at is not None

    def check(self) -> None:
        """EndedError if the run ends."""
        if self.ended:
            raise EndedError

    def open(self, ask: Callable[[], UploadSession | None]) -> UploadSession | None:
        """Note the session that `ask` opens; None if it opens none. EndedError if the run ends, also in the meantime."""
        with self._request():
            session = ask()
            with self._changed:
                late = self.ended
                if session and not late:
                    self._open.add(session)
            if session and late:
                self._client.cancel(session)
        self.check()
        return session

    @contextlib.contextmanager
    def used(self, session: UploadSession) -> Iterator[None]:
        """A block that makes a request of the session. EndedError, before it, if the run ends."""
        with self._changed:
            self.check()
            self._used.add(session)
        try:
            yield
        finally:
            with self._changed:
                self._used.discard(session)
                self._changed.notify_all()

    def moved(self, before: UploadSession, after: UploadSession) -> None:
        """Note where the next request of the session goes. To be called within `used`."""
        with self._changed:
            self._open.discard(before)
            self._open.add(after)
            self._used.discard(before)
            self._used.add(after)

    def committed(self, session: UploadSession) -> None:
        """Note that the session has become a blob."""
        with self._changed:
            self._forget(session)

    def cancel(self, session: UploadSession) -> None:
        """Delete the session, unless somebody else does."""
        with self._changed:
            if not self._forget(session):
                return
            self._requests += 1
        self._delete(session)

    def cancel_aside(self, session: UploadSession) -> None:
        """Begin to delete the session, and return at once: the end of the run waits for that."""
        with self._changed:
            if not self._forget(session):
                return
            self._requests += 1
        threading.Thread(target=self._delete, args=(session,), daemon=True).start()

    def begin_end(self) -> None:
        """Refuse further sessions, and begin to delete those of which no request is under way. Returns at once."""
        with self._changed:
            if self.ended:
                return
            self._ended_at = time.monotonic()
            idle = self._open - self._used
            self._open -= idle
            self._requests += len(idle)
        for session in idle:
            threading.Thread(target=self._delete, args=(session,), daemon=True).start()

    def finish_end(self, grace: Grace) -> None:
        """Wait until no session is left, but no longer than `grace`; what is then still being sent is cut off."""
        self.begin_end()
        assert self._ended_at is not None
        with self._changed:
            if self._wait_until(self._ended_at + grace.patience):
                return
        self._client.transport.cut()
        with self._changed:
            self._wait_until(self._ended_at + grace.total)

    def _wait_until(self, deadline: float) -> bool:
        left = max(0.0, deadline - time.monotonic())
        return self._changed.wait_for(lambda: not self._open and not self._requests, left)

    def _forget(self, session: UploadSession) -> bool:
        if session not in self._open:
            return False
        self._open.remove(session)
        self._used.discard(session)
        self._changed.notify_all()
        return True

    @contextlib.contextmanager
    def _request(self) -> Iterator[None]:
        with self._changed:
            self.check()
            self._requests += 1
        try:
            yield
        finally:
            self._done()

    def _delete(self, session: UploadSession) -> None:
        try:
            self._client.cancel(session)
        finally:
            self._done()

    def _done(self) -> None:
        with self._changed:
            self._requests -= 1
            self._changed.notify_all()
