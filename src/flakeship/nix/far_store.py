"""A store on another machine: what it holds, and the NARs of its paths, over one ssh connection.

https://nix.dev/manual/nix/latest/store/types/experimental-ssh-store
"""

from __future__ import annotations

import base64
import hashlib
import io
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from flakeship import events
from flakeship.errors import NotAnImageError, UnreachableError
from flakeship.nix import worker_protocol as protocol
from flakeship.nix.closure import PathInfo, in_order
from flakeship.nix.far_link import HINT_LOST, FarLink, LostError

_T = TypeVar("_T")

_BATCH: Final = 128
"""Questions that are asked before the first answer is read: they have room in the pipes."""
_AHEAD: Final = 16
"""NARs that are asked for before the first has come."""
_GRACE: Final = 1.0
"""Seconds in which one who reads may come to an end."""
_PIECE: Final = 1 << 20

_HINT_BROKEN: Final = "run `nix-store --verify --check-contents --repair` there, and run again"
_HINT_GONE: Final = (
    "run again: what a run has found there is kept from the garbage collector as long as it runs"
)


# docs/decisions.md#one-conversation-reads-a-far-store
class FarStore:
    """May be asked from any thread; while a NAR is read, others wait.

    Methods raise UnreachableError or NotAllowedError where the machine can't be reached, NotAnImageError where it does not
    hold what it must, UsageError for a store whose paths are not /nix/store/….
    """

    def __init__(self, link: FarLink) -> None:
        self._link = link
        self._lock = (
            threading.Lock()
        )  # whoever closes a reader may be another thread than the one that opened it
        self.received = 0
        """Bytes of NARs that have come."""

    def __str__(self) -> str:
        return str(self._link)

    def check(self) -> None:
        """Connect, and see that images can be made of what this store holds."""
        with self._lock:
            self._asked(lambda: None)

    def holds(self, path: str) -> bool:
        """Whether a store path is there."""

        def held() -> bool:
            connection = self._link.open()
            connection.ask(protocol.IS_VALID, [path])
            return connection.answers.flag()

        with self._lock:
            return self._asked(held)

    @property
    def release(self) -> str:
        """The version of Nix there, `2.26.3`; empty before it is asked, and where it is older than 2.15."""
        return self._link.connection.answers.release if self._link.connection else ""

    def keep(self, paths: Sequence[str]) -> None:
        """Let the garbage collector there keep paths from now on, also such as are not built yet, as long as there is a connection."""
        with self._lock:
            self._hold(paths)

    def closure(self, roots: Sequence[str]) -> tuple[PathInfo, ...]:
        """Return the paths and all that they need at run time, in the order of `nix.closure.closure`.

        From now on the garbage collector there keeps them.
        """
        with self._lock:
            self._hold(roots)
            found: dict[str, PathInfo] = {}
            wanted = list(dict.fromkeys(roots))
            while wanted:
                for batch in (wanted[start : start + _BATCH] for start in range(0, len(wanted), _BATCH)):
                    found |= {info.path: info for info in self._infos(batch)}
                references = (each for path in wanted for each in found[path].references)
                wanted = [path for path in dict.fromkeys(references) if path not in found]
        return in_order(found.values())

    def nars(self, paths: Sequence[PathInfo]) -> Iterator[io.RawIOBase]:
        """Yield the NAR of each path, to be read to its end before the next is asked for; its hash is checked at its end.

        A connection that is lost is made anew, once for each path.
        """
        with self._lock:
            reading = _Reading(self._link, paths)
            whole = False
            try:
                for place, info in enumerate(paths):
                    nar = _Nar(reading, place, info)
                    yield nar
                    self.received += info.nar_size
                whole = True
            finally:
                if not whole:
                    self._link.close()  # what was asked for and not read stands in the way of all else

    def close(self) -> None:
        """End the connection, if there is one, also under one who reads: he is left behind."""
        idle = self._lock.acquire(timeout=_GRACE)
        self._link.end()
        if idle:
            self._lock.release()

    def _hold(self, paths: Sequence[str]) -> None:
        """Keep the paths, and so their closures, as long as there is a connection."""
        new = [path for path in dict.fromkeys(paths) if path not in self._link.held]

        def held() -> None:
            connection = self._link.open()
            connection.ask(protocol.ADD_TEMP_ROOT, new)
            for _ in new:
                connection.answers.flag()

        if new:
            self._asked(held)
            self._link.held |= dict.fromkeys(new)

    def _infos(self, paths: Sequence[str]) -> list[PathInfo]:
        def told() -> list[PathInfo | None]:
            connection = self._link.open()
            connection.ask(protocol.PATH_INFO, paths)
            return [connection.answers.path_info(path) for path in paths]

        found = self._asked(told)
        for path, info in zip(paths, found, strict=True):
            if info is None:
                raise NotAnImageError(
                    f"{path} is not in {self}: it was removed there after it was built", hint=_HINT_GONE
                )
        return [info for info in found if info]

    def _asked(self, ask: Callable[[], _T]) -> _T:
        """Ask over the connection that there is, or a new one; once more where the old one had been lost."""
        while True:
            fresh = self._link.connection is None
            try:
                self._link.open()
                with self._link.answering():
                    return ask()
            except LostError as error:
                if fresh:
                    raise self._link.error(error) from error


class _Reading:
    """The NARs of several paths, asked for a few ahead, so that none but the first costs a round trip."""

    def __init__(self, link: FarLink, paths: Sequence[PathInfo]) -> None:
        self.link, self._paths = link, paths
        self._asked = 0
        self._made_anew = False
        """True from the loss of a connection on until a path has come whole."""

    def begin(self, place: int) -> None:
        """Let the NAR at this place begin."""
        while True:
            try:
                return self._begin(place)
            except LostError as error:
                self._note(place, error)

    def some(self, place: int, read: int, size: int) -> bytes:
        """Return at most `size` bytes of the NAR at this place, of which `read` bytes were read already."""
        while True:
            try:
                if self.link.connection is None:
                    self._begin(place)
                    self._pass_over(read)
                return self._some(size)
            except LostError as error:
                self._note(place, error)

    def end(self) -> None:
        """Note that a NAR has come whole: the next may lose a connection too."""
        self._made_anew = False

    def _begin(self, place: int) -> None:
        if self.link.connection is None:
            self._asked = place
        connection = self.link.open()
        with self.link.answering():
            until = min(len(self._paths), max(place + _AHEAD, self._asked))
            connection.ask(protocol.NAR, [info.path for info in self._paths[self._asked : until]])
            self._asked = until
            connection.answers.done()

    def _some(self, size: int) -> bytes:
        connection = self.link.open()
        with self.link.answering():
            return connection.answers.some(size)

    def _pass_over(self, left: int) -> None:
        while left:
            left -= len(self._some(min(left, _PIECE)))

    def _note(self, place: int, lost: LostError) -> None:
        if self._made_anew:
            path, error = self._paths[place].path, self.link.error(lost)
            raise UnreachableError(
                f"the connection to {self.link.machine} was lost twice while {path} was read",
                hint=HINT_LOST,
                detail=error.detail or str(lost),
            ) from lost
        self._made_anew = True
        if self.link.ended:
            return  # whoever reads is left behind: the next step raises
        why = f" ({lost})" if lost.silent else ""
        self.link.emit(
            events.Notice(f"the connection to {self.link.machine} was lost{why}, and is made once more")
        )


class _Nar(io.RawIOBase):
    """One NAR; NotAnImageError at its end where the bytes are not those that the store states."""

    def __init__(self, reading: _Reading, place: int, info: PathInfo) -> None:
        self._reading, self._place, self._info = reading, place, info
        self._hash = hashlib.sha256()
        self._read, self._begun = 0, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._begun:
            self._reading.begin(self._place)
            self._begun = True
        left = self._info.nar_size - self._read
        if not left:
            return 0
        data = self._reading.some(self._place, self._read, min(left, len(buffer)))
        buffer[: len(data)] = data
        self._hash.update(data)
        self._read += len(data)
        if self._read == self._info.nar_size:
            self._reading.end()
            self._check()
        return len(data)

    def _check(self) -> None:
        if "sha256-" + base64.b64encode(self._hash.digest()).decode() != self._info.nar_hash:
            raise NotAnImageError(
                f"{self._info.path} came from {self._reading.link.machine} with other bytes than its store states",
                hint=_HINT_BROKEN,
            )
