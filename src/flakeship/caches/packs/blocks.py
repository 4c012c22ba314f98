"""Packs read in blocks: what lies beside a frame is fetched with it, kept for a while, and fetched once for all who wait.

docs/decisions.md#a-frame-is-fetched-with-its-neighbours
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Final

from flakeship.caches.packs.repository import GoneError, Repository
from flakeship.image.model import Digest
from flakeship.image.stream import Reader, read_full

BLOCK: Final = 4 * 1024 * 1024
"""Bytes that are fetched at once."""

KEPT: Final = 32 * 1024 * 1024
"""Bytes of blocks that are kept, beside those that are on their way."""

_AT_ONCE: Final = 8
_PIECE: Final = 256 * 1024
PATIENCE: Final = 10.0
"""Seconds without a byte from anywhere in the cache, after which it is taken for dead."""


class LateError(GoneError):
    """What was asked for did not come in time."""


class Blocks:
    """The packs of one repository. `folder` takes the packs of one that gives no parts of a blob."""

    def __init__(self, repository: Repository, folder: Path, *, block: int = BLOCK, kept: int = KEPT) -> None:
        self._repository, self._folder = repository, folder
        self._block, self._kept = block, kept
        self._lock = threading.Lock()
        self._blocks: OrderedDict[tuple[Digest, int], Future[bytes]] = OrderedDict()
        self._size = 0
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
        asked: dict[int, Future[bytes]] = {}
        for number in range(first, last + 1):
            for ahead in (
                number,
                number + 1,
            ):  # of a long frame the next block comes while this one is handed on
                if ahead <= last and ahead not in asked:
                    asked[ahead] = self._asked(pack, size, ahead)
            data = self._result(asked.pop(number))
            begin = max(start - number * self._block, 0)
            end = min(start + length - number * self._block, self._block)
            yield data if (begin, end) == (0, len(data)) else data[begin:end]

    def forget(self, pack: Digest, start: int, length: int) -> None:
        """Fetch these bytes anew when they are asked for again."""
        with self._lock:
            for number in range(start // self._block, (start + length - 1) // self._block + 1):
                self._drop((pack, number))

    def _asked(self, pack: Digest, size: int, number: int) -> Future[bytes]:
        key = (pack, number)
        with self._lock:
            found = self._blocks.get(key)
            if found and not (found.done() and found.exception()):
                self._blocks.move_to_end(key)
                return found
            start = number * self._block
            length = min(self._block, size - start)
            asked = self._pool.submit(self._fetch, pack, size, start, length)
            self._blocks[key] = asked
            self._size += self._block
            while self._size > self._kept and len(self._blocks) > 1:
                self._drop(next(iter(self._blocks)))
            return asked

    def _drop(self, key: tuple[Digest, int]) -> None:
        if self._blocks.pop(key, None):
            self._size -= self._block

    def _fetch(self, pack: Digest, size: int, start: int, length: int) -> bytes:
        if self._takes_parts:
            with self._repository.part(pack, start, length) as reader:
                if reader is not None:
                    return b"".join(self._passing(reader))
            self._takes_parts = False
        with self._whole(pack).open("rb", buffering=0) as file:
            data = os.pread(file.fileno(), length, start)
        if len(data) != length:
            raise GoneError(f"{pack[:19]} is shorter than the root says")
        return data

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

    def _passing(self, reader: Reader) -> Iterator[bytes]:
        while data := read_full(reader, _PIECE):
            self._moved = time.monotonic()
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
