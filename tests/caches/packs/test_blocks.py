"""What is asked for of a pack, in which pieces, and how often: of a repository that keeps the pack in memory."""

from __future__ import annotations

import contextlib
import io
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.caches.packs.blocks import Blocks, LateError
from flakeship.caches.packs.repository import Repository
from flakeship.http.errors import BrokenConnectionError
from flakeship.image.model import digest_of
from flakeship.image.stream import Reader

DATA = random.Random(7).randbytes(10_050)
PACK = digest_of(DATA)
BLOCK = 100


class Memory:
    """`asked` are the parts that were asked for, in blocks: (first, count). `breaks` is how many of them break off in the middle."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.breaks = 0
        self.waits: threading.Event | None = None

    def be_asked(self, count: int) -> None:
        pass

    @contextlib.contextmanager
    def part(self, _digest: str, start: int, length: int) -> Iterator[Reader]:
        self.asked.append((start // BLOCK, -(-length // BLOCK)))
        if self.waits:
            self.waits.wait(10)
        if self.breaks:
            self.breaks -= 1
            yield _Breaking(DATA[start : start + length // 2])
        else:
            yield io.BytesIO(DATA[start : start + length])


class _Breaking(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not data:
            raise BrokenConnectionError("it broke")
        return data


@contextlib.contextmanager
def opened(memory: Memory, **named: Any) -> Iterator[Blocks]:
    blocks = Blocks(cast("Repository", memory), Path(tempfile.gettempdir()), block=BLOCK, **named)
    try:
        yield blocks
    finally:
        blocks.close()


def read(blocks: Blocks, start: int, length: int) -> bytes:
    frame = blocks.part(PACK, len(DATA), start, length)
    content = b"".join(frame.pieces())
    with frame.open() as reader:
        assert reader.read() == content
    return content


@given(
    st.lists(st.tuples(st.integers(0, len(DATA) - 1), st.integers(1, 2000)), max_size=20), st.integers(1, 9)
)
def test_what_is_read_is_what_lies_there(places: list[tuple[int, int]], longest: int) -> None:
    with opened(Memory(), longest=longest) as blocks:
        for start, length in places:
            wanted = DATA[start : start + length]
            assert read(blocks, start, len(wanted)) == wanted


def test_a_pack_that_is_read_on_is_asked_for_in_longer_runs() -> None:
    memory = Memory()
    with opened(memory, longest=8) as blocks:
        for start in range(0, len(DATA), 50):
            read(blocks, start, min(50, len(DATA) - start))
    assert memory.asked[:5] == [(0, 1), (1, 2), (3, 4), (7, 8), (15, 8)]
    assert sum(count for _, count in memory.asked) == 101


def test_what_is_expected_is_asked_for_together() -> None:
    """Nix asks about all paths before it fetches the first, in an order that is not that of a pack."""
    memory = Memory()
    places = list(range(0, len(DATA), 50))
    random.Random(5).shuffle(places)
    with opened(memory) as blocks:
        for start in places:
            blocks.expect(PACK, len(DATA), start, 50)
        for start in places:
            assert read(blocks, start, 50) == DATA[start : start + 50]
    assert sum(count for _, count in memory.asked) == 101, "each block once"
    assert len(memory.asked) < 20
    assert max(count for _, count in memory.asked) == 16


def test_the_next_pack_is_begun_when_all_of_one_was_asked_for() -> None:
    memory = Memory()
    others = [digest_of(b"%d" % number) for number in range(3)]
    with opened(memory) as blocks:
        for digest in (PACK, *others):
            blocks.expect(digest, 1000, 0, 300)
        for _ in range(5):
            assert b"".join(blocks.part(PACK, 1000, 0, 100).pieces()) == DATA[:100]
        assert sorted(blocks._packs) == sorted((PACK, others[0])), "and none behind it"
        while blocks._under_way:
            time.sleep(0.001)
        assert b"".join(blocks.part(others[0], 1000, 0, 100).pieces()) == DATA[:100]
        assert sorted(blocks._packs) == sorted((PACK, *others[:2]))


def test_what_is_expected_and_not_read_is_not_fetched() -> None:
    memory = Memory()
    with opened(memory) as blocks:
        blocks.expect(PACK, len(DATA), 0, len(DATA))
    assert memory.asked == []


def test_what_lies_apart_is_asked_for_alone() -> None:
    memory = Memory()
    with opened(memory) as blocks:
        for number in (70, 20, 90, 5):
            read(blocks, number * BLOCK, 10)
    assert memory.asked == [(70, 1), (20, 1), (90, 1), (5, 1)]


def test_a_long_frame_is_one_run_as_far_as_it_goes() -> None:
    memory = Memory()
    with opened(memory, longest=8) as blocks:
        assert read(blocks, 1020, 2000) == DATA[1020:3020]
    assert memory.asked[0] == (10, 8)
    assert len(memory.asked) <= 3


def test_many_who_wait_for_a_block_ask_once() -> None:
    memory = Memory()
    memory.waits = threading.Event()
    with opened(memory) as blocks, ThreadPoolExecutor(16) as pool:
        found = [pool.submit(read, blocks, 500, 10) for _ in range(16)]
        memory.waits.set()
        assert {each.result(10) for each in found} == {DATA[500:510]}
    assert memory.asked == [(5, 1)]


@pytest.mark.parametrize(("breaks", "well"), [(2, True), (3, False)])
def test_what_breaks_off_goes_on_where_it_broke(breaks: int, well: bool) -> None:
    memory = Memory()
    memory.breaks = breaks
    with opened(memory) as blocks:
        if well:
            assert read(blocks, 30, 20) == DATA[30:50]
        else:
            with pytest.raises(BrokenConnectionError):
                read(blocks, 30, 20)
            assert read(blocks, 30, 20) == DATA[30:50], "and is asked for anew by the next"


def test_what_came_before_it_broke_is_not_asked_for_again() -> None:
    memory = Memory()
    with opened(memory, longest=8) as blocks:
        memory.breaks = 1
        assert read(blocks, 0, 800) == DATA[:800]
    assert memory.asked == [(0, 8), (4, 4)]


def test_a_pack_that_is_asked_for_often_is_asked_for_in_longer_runs() -> None:
    """Here and there, in no order: all of it has come after some twenty requests, each block once."""
    memory = Memory()
    places = list(range(0, len(DATA), 10))
    random.Random(3).shuffle(places)
    with opened(memory) as blocks:
        for start in places:
            read(blocks, start, min(10, len(DATA) - start))
    assert [count for _, count in memory.asked[:4]] == [1, 1, 1, 1]
    assert sum(count for _, count in memory.asked) == 101
    assert len(memory.asked) < 40


def test_packs_beyond_a_limit_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flakeship.caches.packs.blocks._KEPT", 3 * len(DATA))
    memory = Memory()
    with opened(memory) as blocks:
        first = blocks.part(PACK, len(DATA), 0, 10)
        for number in range(4):
            other = digest_of(b"%d" % number)
            assert b"".join(blocks.part(other, len(DATA), 0, 10).pieces()) == DATA[:10]
        assert len(blocks._packs) == 3
        assert b"".join(first.pieces()) == DATA[:10], "but stay for who has begun to read"


def test_silence_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flakeship.caches.packs.blocks.PATIENCE", 0.1)
    memory = Memory()
    memory.waits = threading.Event()
    with opened(memory) as blocks, pytest.raises(LateError, match=r"did not answer within 0\.1 seconds"):
        read(blocks, 0, 10)
    memory.waits.set()
