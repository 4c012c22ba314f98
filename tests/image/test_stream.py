"""Streams that wrap another: what they hand on, and what becomes of the one below."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.image.stream import (
    Hashing,
    Joined,
    Pieces,
    Prefixed,
    Reader,
    Unclosed,
    Wrapper,
    chunks,
    read_full,
    sha256_of,
)

DATA = bytes(range(256)) * 5


class Counted(io.BytesIO):
    """How often it was closed."""

    closings = 0

    def close(self) -> None:
        self.closings += 1
        super().close()


@pytest.mark.parametrize("wrap", [Wrapper, Hashing, lambda reader: Prefixed(b"", reader)])
def test_the_stream_below_is_closed_once(wrap: Callable[[Reader], Wrapper]) -> None:
    below = Counted(DATA)
    with wrap(below) as stream:
        assert b"".join(chunks(stream, 7)) == DATA
    stream.close()
    assert below.closings == 1


def test_the_stream_below_stays_open() -> None:
    below = Counted(DATA)
    with Unclosed(below) as stream:
        assert stream.read(3) == DATA[:3]
    assert stream.closed
    assert below.closings == 0
    assert below.read() == DATA[3:]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_what_is_read_is_hashed_and_counted(algorithm: str) -> None:
    stream = Hashing(io.BytesIO(DATA), algorithm)
    stream.read(100)
    assert stream.size == 100
    assert stream.digest == f"{algorithm}:{hashlib.new(algorithm, DATA[:100]).hexdigest()}"
    stream.read()
    assert stream.digest == f"{algorithm}:{hashlib.new(algorithm, DATA).hexdigest()}"
    assert sha256_of(io.BytesIO(DATA)) == (f"sha256:{hashlib.sha256(DATA).hexdigest()}", len(DATA))


@given(st.binary(max_size=20), st.integers(0, 20), st.lists(st.integers(-1, 9), max_size=9))
def test_a_head_that_was_looked_at_is_read_again(data: bytes, cut: int, sizes: list[int]) -> None:
    below = io.BytesIO(data)
    head = read_full(below, cut)
    stream = Prefixed(head, below)
    assert b"".join([*map(stream.read, sizes), *chunks(stream)]) == data


@given(st.lists(st.binary(max_size=9), max_size=9), st.integers(1, 12))
def test_pieces_of_any_size_are_one_stream(pieces: list[bytes], size: int) -> None:
    def made() -> Pieces:
        for piece in pieces:
            room = yield piece
            assert room is None or room > 0

    data = b"".join(pieces)
    assert Joined(made()).read() == data
    assert list(chunks(Joined(made()), size)) == [data[at : at + size] for at in range(0, len(data), size)]


def test_what_was_looked_at_comes_first() -> None:
    reader = Prefixed(b"abc", io.BytesIO(b"def"))
    assert [reader.read(size) for size in (0, 2, 0, -1, 2, -1)] == [b"", b"ab", b"", b"c", b"de", b"f"]
