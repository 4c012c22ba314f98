"""Packs as they are read: each block of one is fetched once, into a file, with what will be asked for next behind it.

docs/decisions.md#the-read-ahead-of-a-pack-grows
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from flakeship.caches.packs.fetched import FetchedPack, Section
from flakeship.caches.packs.repository import GoneError, Repository
from flakeship.caches.packs.silence import Silence, Wait
from flakeship.http.errors import WireError
from flakeship.image.model import Digest
from flakeship.image.stream import Reader, read_full

BLOCK: Final = 1024 * 1024
"""Bytes of a block, the least that is fetched."""

_LONGEST_RUN: Final = 8
"""Blocks that one request asks for at most, unless a single frame needs more."""

_LONGEST_EXPECTED: Final = 16
"""Blocks that one request asks for at most where it is known that all of them will be needed."""

_AHEAD: Final = 2
"""Requests under way, below which one more is made for what is expected and nobody waits for yet."""

_SHORT_RUNS: Final = 4
"""Requests for one pack, here and there, after which the next ones are for twice as many blocks."""

_KEPT: Final = 1024**3
"""Bytes of packs whose files are kept. Beyond them the pack that was used longest ago is forgotten."""

_AT_ONCE: Final = 4
_TRIES: Final = 3
_PIECE: Final = 256 * 1024
_LOOK: Final = 0.5
PATIENCE: Final = 10.0
"""Seconds without a byte from anywhere in the cache, after which it is taken for dead, or sooner where the run has waited for it before."""


class LateError(GoneError):
    """What was asked for did not come in time."""


class PackPart:
    """A part of a pack. `pieces` waits for what has not come; `open` is for when all of it has."""

    def __init__(self, blocks: Blocks, pack: FetchedPack, start: int, length: int) -> None:
        self._blocks, self._pack, self._start, self._length = blocks, pack, start, length

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes as they come, a block at most at a time. Raises what the repository raises, and LateError."""
        place, end = self._start, self._start + self._length
        while place < end:
            ready = self._blocks.wait_for(self._pack, place, end)
            size = min(ready, end) - place
            yield self._pack.read(place, size)
            place += size

    def at(self, place: int, size: int) -> bytes:
        """Return bytes from the middle."""
        return self._pack.read(self._start + place, min(size, self._length - place))

    def open(self) -> Reader:
        """Return a stream of them."""
        return Section(self._pack, self._start, self._length)

    def forget(self) -> None:
        """Fetch them anew when they are asked for again."""
        self._blocks.forget(self._pack, self._start, self._start + self._length)


class Blocks:
    """The packs of one repository. `folder` takes what is fetched of them, in files without names."""

    def __init__(
        self,
        repository: Repository,
        folder: Path,
        *,
        block: int = BLOCK,
        longest: int = _LONGEST_RUN,
        silence: Silence | None = None,
    ) -> None:
        self._repository, self._folder = repository, folder
        self._block, self._longest = block, longest
        self._longest_expected = max(longest, _LONGEST_EXPECTED)
        self._lock = threading.Lock()
        self._packs: OrderedDict[Digest, FetchedPack] = OrderedDict()
        self._pool = ThreadPoolExecutor(_AT_ONCE, "flakeship-cache")
        self._takes_parts = True
        self._silence = silence or Silence()
        self._moved = time.monotonic()
        self._expected: dict[Digest, tuple[int, set[int]]] = {}
        """The size of a pack, and the blocks of it that nobody has asked for yet, and that will be needed."""
        self._begun_ahead: Digest | None = None
        """The pack that was begun before anybody read of it."""
        self._is_awaited = False
        self._under_way = 0
        self._closed = False

    def close(self) -> None:
        """Wait for nothing, and forget all packs."""
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._packs.clear()

    def part(self, digest: Digest, size: int, start: int, length: int) -> PackPart:
        """Return `length` bytes from `start` on of a pack of `size` bytes. OSError where no file can be made."""
        with self._lock:
            pack = self._opened(digest, size)
        return PackPart(self, pack, start, length)

    def expect(self, digest: Digest, size: int, start: int, length: int) -> None:
        """Fetch these bytes together with others of the pack, since they will be asked for."""
        with self._lock:
            first, self._is_awaited = not self._is_awaited, True
            pack = self._packs.get(digest)
            blocks = range(start // self._block, (start + length - 1) // self._block + 1)
            _, expected = self._expected.setdefault(digest, (size, set()))
            expected.update(each for each in blocks if not pack or each not in pack.blocks)
        if first:
            self._repository.be_asked(_AT_ONCE)

    def _opened(self, digest: Digest, size: int) -> FetchedPack:
        """Return a pack as the one that was used last. The caller holds the lock."""
        pack = self._packs.pop(digest, None) or FetchedPack(digest, size, self._folder)
        self._packs[digest] = pack
        while len(self._packs) > 1 and sum(each.size for each in self._packs.values()) > _KEPT:
            self._packs.popitem(last=False)
        return pack

    def wait_for(self, pack: FetchedPack, place: int, end: int) -> int:
        """Wait for the block at `place`, and return where it ends. Up to `end` all will be needed."""
        number = place // self._block
        with self._lock:
            if pack.digest == self._begun_ahead:
                self._begun_ahead = None
            asked = pack.blocks.get(number)
            if asked is None or (asked.done() and asked.exception()):
                asked = self._ask(pack, number, (end - 1) // self._block)
            self._read_ahead(pack)
        self._wait(asked)
        return min((number + 1) * self._block, pack.size)

    def forget(self, pack: FetchedPack, start: int, end: int) -> None:
        """Fetch these bytes anew when they are asked for again."""
        with self._lock:
            for number in range(start // self._block, (end - 1) // self._block + 1):
                pack.blocks.pop(number, None)

    def _ask(self, pack: FetchedPack, number: int, needed: int) -> Future[None]:
        """Begin to fetch a block, with others. The caller holds the lock."""
        count = -(-pack.size // self._block)
        wanted = self._run(pack, number, needed, count) if self._takes_parts else range(count)
        return self._begin(pack, wanted)[number]

    def _read_ahead(self, pack: FetchedPack) -> None:
        """Begin to fetch what is expected next, of this pack or else the first run of another. The caller holds the lock.

        docs/decisions.md#what-nix-asks-about-is-read-ahead
        """
        if self._under_way >= _AHEAD or not self._takes_parts:
            return
        digests = [digest for digest, (_, expected) in self._expected.items() if expected]
        if pack.digest not in digests:
            if self._begun_ahead or not digests:
                return
            self._begun_ahead = digests[0]
            try:
                pack = self._opened(digests[0], self._expected[digests[0]][0])
            except OSError:  # whoever needs it hears of it
                return
        first = min(self._expected[pack.digest][1])
        self._begin(pack, self._further(pack, first, first))

    def _further(self, pack: FetchedPack, first: int, end: int) -> range:
        """Return the blocks from `first` on to at least `end`, and behind it those that are expected."""
        _, expected = self._expected.get(pack.digest, (0, frozenset()))
        while end in expected and end - first < self._longest_expected:
            end += 1
        return range(first, end)

    def _begin(self, pack: FetchedPack, wanted: Iterable[int]) -> dict[int, Future[None]]:
        """Begin to fetch these blocks, as far as nobody does. The caller holds the lock."""
        run: dict[int, Future[None]] = {}
        _, expected = self._expected.get(pack.digest, (0, set[int]()))
        for each in wanted:
            there = pack.blocks.get(each)
            if there is None or (there.done() and there.exception()):
                run[each] = pack.blocks[each] = Future()
            expected.discard(each)
        pack.requests += 1
        self._under_way += 1
        self._pool.submit(self._fetch, pack, run)
        return run

    def _run(self, pack: FetchedPack, number: int, needed: int, count: int) -> range:
        """Return the blocks to ask for. A pack that is read on is read on in longer runs, and so is one that is asked for often."""
        begin = number
        if pack.behind <= number <= pack.behind + pack.run:
            begin, pack.run = pack.behind, min(2 * pack.run, self._longest)
        else:
            pack.run = min(1 << pack.requests // _SHORT_RUNS, self._longest)
        end = min(max(begin + pack.run, min(needed + 1, number + self._longest)), count)
        begin = next((each + 1 for each in range(number - 1, begin - 1, -1) if each in pack.blocks), begin)
        end = next((each for each in range(number + 1, end) if each in pack.blocks), end)
        pack.behind = end
        return self._further(pack, begin, end)

    def _fetch(self, pack: FetchedPack, run: dict[int, Future[None]]) -> None:
        """Fetch a run, each block of which can be read as soon as it has come."""
        try:
            self._try(pack, run)
        finally:
            with self._lock:
                self._under_way -= 1

    def _try(self, pack: FetchedPack, run: dict[int, Future[None]]) -> None:
        tries = 0
        while left := [number for number, asked in run.items() if not asked.done()]:
            try:
                if not self._fetched_as_part(pack, run, left):
                    self._takes_parts = False
                    self._fetch_whole(pack, run)
            except BaseException as error:  # noqa: BLE001 - it is raised by who waits
                came = left != [number for number, asked in run.items() if not asked.done()]
                tries = 1 if came else tries + 1
                if not (isinstance(error, WireError) and error.transient) or tries == _TRIES:
                    for asked in run.values():
                        if not asked.done():
                            asked.set_exception(error)

    def _fetched_as_part(self, pack: FetchedPack, run: dict[int, Future[None]], left: list[int]) -> bool:
        if not self._takes_parts:
            return False
        start, end = left[0] * self._block, min((left[-1] + 1) * self._block, pack.size)
        with self._repository.part(pack.digest, start, end - start) as reader:
            if reader is None:
                return False
            for number in left:
                self._take(pack, number, reader, run)
        return True

    def _fetch_whole(self, pack: FetchedPack, run: dict[int, Future[None]]) -> None:
        with self._lock:
            for number in range(-(-pack.size // self._block)):
                if number not in pack.blocks:
                    run[number] = pack.blocks[number] = Future()
        with self._repository.whole(pack.digest) as reader:
            for number in range(-(-pack.size // self._block)):
                self._take(pack, number, reader, run)

    def _take(self, pack: FetchedPack, number: int, reader: Reader, run: dict[int, Future[None]]) -> None:
        """Read one block, and write it if it is one of the run."""
        place = number * self._block
        left = min(self._block, pack.size - place)
        asked = run.get(number)
        wanted = asked is not None and not asked.done()
        while left:
            data = read_full(reader, min(left, _PIECE))
            if not data:
                raise GoneError(f"{pack.digest[:19]} is shorter than the root says")
            if self._closed:
                raise GoneError("the cache is not used any more")
            self._moved = time.monotonic()
            if wanted:
                pack.write(data, place)
            place, left = place + len(data), left - len(data)
        if asked and wanted:
            asked.set_result(None)

    def _wait(self, asked: Future[None]) -> None:
        """Wait as long as anything comes: of a slow line many blocks may have to share."""
        wait = Wait(self._silence, time.monotonic())
        while True:
            try:
                asked.result(_LOOK)
            except TimeoutError as error:
                if asked.done() and asked.exception() is error:
                    raise
                patience = min(PATIENCE, self._silence.left)
                if wait.silent(self._moved, time.monotonic()) > patience:
                    wait.give_up(time.monotonic())
                    raise LateError(f"it did not answer within {patience:.2g} seconds") from None
            else:
                wait.silent(self._moved, time.monotonic())
                return
