"""Packs read in blocks: what lies behind a frame is fetched with it where others were read before, and once for all who wait.

docs/decisions.md#the-read-ahead-of-a-pack-grows
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Final

from flakeship.caches.packs.repository import GoneError, Repository
from flakeship.http.errors import WireError
from flakeship.image.model import Digest
from flakeship.image.stream import Reader, read_full

BLOCK: Final = 1024 * 1024
"""Bytes of a block, the least that is fetched."""

_LONGEST_RUN: Final = 8
"""Blocks that one request asks for, unless a single frame needs more. A pack that is read on doubles from one."""

_KEPT: Final = 32
"""Blocks that are kept, with those that are on their way."""

_AT_ONCE: Final = 4
_TRIES: Final = 3
_PIECE: Final = 256 * 1024
PATIENCE: Final = 10.0
"""Seconds without a byte from anywhere in the cache, after which it is taken for dead."""


class LateError(GoneError):
    """What was asked for did not come in time."""


class Blocks:
    """The packs of one repository. `folder` takes the packs of one that gives no parts of a blob."""

    def __init__(
        self, repository: Repository, folder: Path, *, block: int = BLOCK, longest: int = _LONGEST_RUN
    ) -> None:
        self._repository, self._folder = repository, folder
        self._block, self._longest = block, longest
        self._lock = threading.Lock()
        self._blocks: OrderedDict[tuple[Digest, int], Future[bytes]] = OrderedDict()
        self._runs: dict[Digest, tuple[int, int]] = {}
        """Of each pack the block behind the last run, and how many blocks that run had."""
        self._pool = ThreadPoolExecutor(_AT_ONCE, "flakeship-cache")
        self._wholes: dict[Digest, Future[Path]] = {}
        self._takes_parts = True
        self._moved = time.monotonic()

    def close(self) -> None:
        """Wait for nothing, and remove what was fetched whole."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for whole in self._wholes.values():
            if whole.done() and not whole.cancelled() and not whole.exception():
                whole.result().unlink(missing_ok=True)

    def pieces(self, pack: Digest, size: int, start: int, length: int) -> Iterator[bytes]:
        """Yield `length` bytes from `start` on of a pack of `size` bytes, in pieces of a block at most.

        Raises what the repository raises, and LateError.
        """
        first, last = start // self._block, (start + length - 1) // self._block
        for number in range(first, last + 1):
            ahead = min(last, number + self._longest - 1)
            data = self._result(self._asked(pack, size, number, ahead))
            begin = max(start - number * self._block, 0)
            end = min(start + length - number * self._block, self._block)
            yield data if (begin, end) == (0, len(data)) else data[begin:end]

    def forget(self, pack: Digest, start: int, length: int) -> None:
        """Fetch these bytes anew when they are asked for again."""
        with self._lock:
            for number in range(start // self._block, (start + length - 1) // self._block + 1):
                self._blocks.pop((pack, number), None)

    def _asked(self, pack: Digest, size: int, number: int, needed: int) -> Future[bytes]:
        """Return what will be the block of this number. The blocks up to `needed` are needed next."""
        with self._lock:
            found = self._blocks.get((pack, number))
            if found and not (found.done() and found.exception()):
                self._blocks.move_to_end((pack, number))
                return found
            numbers = self._run(pack, size, number, needed)
            run: list[Future[bytes]] = [Future() for _ in numbers]
            for each, asked in zip(numbers, run, strict=True):
                self._blocks[pack, each] = asked
            while len(self._blocks) > max(_KEPT, len(run)):
                self._blocks.popitem(last=False)
            self._pool.submit(self._fetch, pack, size, numbers.start, run)
            return self._blocks[pack, number]

    def _run(self, pack: Digest, size: int, number: int, needed: int) -> range:
        """Return the blocks to ask for: more each time that a pack is read on where the last run ended."""
        begin, (behind, length) = number, self._runs.get(pack, (-1, 0))
        if behind <= number <= behind + length:
            begin, length = behind, min(2 * length, self._longest)
        else:
            length = 1
        end = min(max(begin + length, needed + 1), (size - 1) // self._block + 1)
        there = (each for each in range(number + 1, end) if (pack, each) in self._blocks)
        end = next(there, end)
        self._runs[pack] = (end, length)
        return range(begin, end)

    def _fetch(self, pack: Digest, size: int, number: int, run: Sequence[Future[bytes]]) -> None:
        """Fetch blocks from `number` on, each of which can be read as soon as it has come."""
        done = tries = 0
        while done < len(run):
            start = (number + done) * self._block
            end = min((number + len(run)) * self._block, size)
            try:
                with self._stream(pack, start, end - start) as reader:
                    for asked in run[done:]:
                        wanted = min(self._block, size - (number + done) * self._block)
                        data = b"".join(self._passing(reader, wanted))
                        if len(data) != wanted:
                            raise GoneError(f"{pack[:19]} is shorter than the root says")
                        asked.set_result(data)
                        done, tries = done + 1, 0
            except BaseException as error:  # noqa: BLE001 - it is raised by who waits
                tries += 1
                if not (isinstance(error, WireError) and error.transient) or tries == _TRIES:
                    for asked in run[done:]:
                        asked.set_exception(error)
                    return

    @contextlib.contextmanager
    def _stream(self, pack: Digest, start: int, length: int) -> Iterator[Reader]:
        if self._takes_parts:
            with self._repository.part(pack, start, length) as reader:
                if reader is not None:
                    yield reader
                    return
            self._takes_parts = False
        with self._whole(pack).open("rb") as file:
            file.seek(start)
            yield file

    def _whole(self, pack: Digest) -> Path:
        """Return a file with the whole pack, which is fetched once."""
        with self._lock:
            found = self._wholes.get(pack)
            if mine := found is None:
                found = self._wholes[pack] = Future()
        if mine:
            try:
                found.set_result(self._fetched(pack))
            except BaseException as error:
                found.set_exception(error)
                raise
        return found.result()

    def _fetched(self, pack: Digest) -> Path:
        handle, name = tempfile.mkstemp(prefix="pack-", dir=self._folder)
        path = Path(name)
        try:
            with os.fdopen(handle, "wb") as file, self._repository.whole(pack) as reader:
                for data in self._passing(reader):
                    file.write(data)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def _passing(self, reader: Reader, size: int = 1 << 62) -> Iterator[bytes]:
        while size and (data := read_full(reader, min(size, _PIECE))):
            self._moved = time.monotonic()
            size -= len(data)
            yield data

    def _result(self, asked: Future[bytes]) -> bytes:
        """Wait as long as anything comes: of a slow line many blocks may have to share."""
        begun = time.monotonic()
        while True:
            try:
                return asked.result(0.5)
            except TimeoutError as error:
                if asked.done() and asked.exception() is error:
                    raise
                if time.monotonic() - max(begun, self._moved) > PATIENCE:
                    raise LateError(f"it did not answer within {PATIENCE:g} seconds") from None


@contextlib.contextmanager
def spool(folder: Path) -> Iterator[IO[bytes]]:
    """A file without a name, for the block."""
    with tempfile.TemporaryFile(dir=folder) as file:
        yield file
