"""A frame that gives more than its index states is found by the heads of its blocks, and inflated only where these may lie."""

from __future__ import annotations

import io
import random

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from flakeship.caches.packs.inflated_size import gives_more
from flakeship.image.stream import Reader
from flakeship.image.zstd_frame import zstd_frame

MIB = 1024 * 1024


def asked(frame: bytes, stated: int) -> tuple[bool, int]:
    """Whether it gives more, and how many bytes of it were read to be inflated."""
    opened: list[io.BytesIO] = []

    def open_() -> Reader:
        opened.append(_Open(frame))
        return opened[-1]

    more = gives_more(lambda place, size: frame[place : place + size], len(frame), stated, open_)
    return more, sum(each.tell() for each in opened)


class _Open(io.BytesIO):
    def close(self) -> None:
        """Keep its place to be asked for."""


KINDS = {
    "zeros": bytes(3 * MIB),
    "noise": random.Random(1).randbytes(3 * MIB),
    "words": b" ".join(b"%d" % number for number in range(400_000)),
    "nothing": b"",
    "a byte": b"x",
}


@pytest.mark.parametrize("content", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("level", [1, 3, 9])
def test_a_frame_of_ours_is_not_inflated(content: bytes, level: int) -> None:
    frame = b"".join(zstd_frame([content], level=level))
    assert asked(frame, len(content)) == (False, 0)


@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("has_size", [False, True])
def test_a_bomb_is_read_no_further_than_it_may_give(*, checksum: bool, has_size: bool) -> None:
    """A part of it would give gigabytes, and is not even looked at."""
    compressor = zstandard.ZstdCompressor(write_checksum=checksum, write_content_size=has_size)
    bomb = compressor.compress(bytes(64 * MIB)) * 100
    more, read = asked(bomb, MIB)
    assert more
    assert read < len(bomb)


def test_what_lies_behind_a_whole_frame_counts() -> None:
    frame = zstandard.ZstdCompressor().compress(bytes(MIB))
    assert asked(frame, MIB)[0] is False
    assert asked(frame * 20, MIB)[0] is True
    skipped = (0x184D2A50).to_bytes(4, "little") + (4).to_bytes(4, "little") + b"four"
    assert asked(skipped + frame, MIB)[0] is False
    assert asked(skipped + frame * 2, MIB)[0] is True


@given(st.binary(max_size=200), st.integers(0, 300))
def test_whatever_lies_there_ends(tail: bytes, stated: int) -> None:
    asked(tail, stated)
    asked(b"\x28\xb5\x2f\xfd" + tail, stated)
