"""Does a frame give more than its index says? Nix would unpack all of it first, however much that is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flakeship.image.inflate import ZSTD_MAGIC, uncompressed
from flakeship.image.stream import Reader
from flakeship.image.tar.blocks import DamagedError

_MOST: Final = 128 * 1024
"""Bytes that a block gives at most."""

_SLACK: Final = 8
"""Blocks are cut smaller where that compresses better. What gives so many times as much costs Nix little, and its hash is wrong."""

_RAW, _REPEATED, _COMPRESSED = range(3)
_HEAD: Final = 18
_SIZES: Final = (0, 2, 4, 8)
"""Bytes of the content's size in the head of a frame, by the first two bits of its descriptor."""
_IDS: Final = (0, 1, 2, 4)
"""Bytes of the dictionary's number in the head of a frame, by the last two bits."""
_PIECE: Final = 256 * 1024


def gives_more(at: Callable[[int, int], bytes], size: int, stated: int, opened: Callable[[], Reader]) -> bool:
    """Tell whether a zstd file of `size` bytes gives more than `stated` bytes. `at` returns some of its bytes, fewer at the end.

    Mostly the heads of its blocks tell that, and nothing is inflated; else it is `opened`, and read until it gives more. What is
    damaged gives less: Nix notices that.
    """
    if _most(at, size) <= _SLACK * (stated + _MOST):
        return False
    given = 0
    try:
        with uncompressed(opened()) as reader:
            while given <= stated and (data := reader.read(_PIECE)):
                given += len(data)
    except DamagedError:
        return False
    return given > stated


def _most(at: Callable[[int, int], bytes], size: int) -> float:
    """Return how much a file gives at most, as the heads of its frames and blocks tell; infinite if they are not as ours.

    https://www.rfc-editor.org/rfc/rfc8878, section 3.1.1.
    """
    place, total = 0, 0
    while place < size:
        head = at(place, _HEAD)
        if not head.startswith(ZSTD_MAGIC) or len(head) < len(ZSTD_MAGIC) + 1:
            return float("inf")
        bits = head[len(ZSTD_MAGIC)]
        single = bits >> 5 & 1
        place += len(ZSTD_MAGIC) + 1 + (1 - single) + _IDS[bits & 3] + (_SIZES[bits >> 6] or single)
        last = 0
        while not last:
            block = int.from_bytes(at(place, 3), "little")
            last, kind, length = block & 1, block >> 1 & 3, block >> 3
            if place + 3 > size or kind > _COMPRESSED:
                return float("inf")
            total += _MOST if kind == _COMPRESSED else length
            place += 3 + (1 if kind == _REPEATED else length)
        place += 4 * (bits >> 2 & 1)
    return total
