"""What zstd would have made of the layers that were packed as gzip: an estimate from a few chunks of them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final

from flakeship.image.compress import DEFAULT_LEVEL

_WORTH_SAYING: Final = 300_000_000
"""Bytes of the blobs that were made: below it an estimate would rest on fewer than nine chunks."""

_CHECKSUMS: Final = 1 << 32
_PER_BYTE: Final = 128
"""Of all checksums, which are equally likely, those by which a byte of a blob brings its chunk into the sample: 1 of
32 MiB.
"""
_AT_MOST: Final = _CHECKSUMS // 64
"""Of all checksums, those by which any chunk comes into it, however large: zstd takes as long for a chunk as packing it."""

_ALONE: Final = 0.97
"""What zstd makes of a layer, against what it makes of each chunk alone: 0.91 to 0.99 were measured, 1 of noise."""


@dataclass(frozen=True, slots=True)
class ZstdEstimate:
    """Bytes of the blobs that were made as gzip, and what they would be as zstd of its usual level."""

    gzip: int
    zstd: int


@dataclass(slots=True)
class ZstdSample:
    """Takes a chunk for 32 MiB of blobs, one of 64 at most, and compresses it once `least` bytes were made.

    Which chunks depends on what they hold and what lies before them in their layer, not on when they come.
    """

    # docs/decisions.md#what-zstd-would-save-is-estimated
    least: int = _WORTH_SAYING
    per_byte: int = _PER_BYTE
    at_most: int = _AT_MOST
    _made: int = 0
    _found: list[tuple[float, float]] = field(default_factory=list)
    """What chunks of the sample are with zstd and with gzip, for all the chunks that each stands for."""
    _held: list[tuple[bytes, int]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def took(self, chunk: bytes, size: int, crc: int) -> None:
        """Told of each chunk that became `size` bytes of a blob; `crc` is that of its layer up to its end."""
        with self._lock:
            self._made += size
            if crc < self._likelihood(size):
                self._held.append((chunk, size))
            due: list[tuple[bytes, int]] = []
            if self._made >= self.least:
                due, self._held = self._held, []
        self._found += [self._weighed(each, its_size) for each, its_size in due]

    def _likelihood(self, size: int) -> int:
        return min(size * self.per_byte, self.at_most)

    def _weighed(self, chunk: bytes, size: int) -> tuple[float, float]:
        probability = self._likelihood(size) / _CHECKSUMS
        return _size_in_zstd(chunk) / probability, size / probability

    def estimate(self) -> ZstdEstimate | None:
        """None where too little was packed to tell. To be called when all is packed."""
        if self._made < self.least or not self._found:
            return None
        ratio = _ALONE * sum(zstd for zstd, _ in self._found) / sum(gzip for _, gzip in self._found)
        return ZstdEstimate(self._made, min(self._made, round(self._made * ratio)))


def _size_in_zstd(chunk: bytes) -> int:
    import zstandard

    return len(zstandard.ZstdCompressor(level=DEFAULT_LEVEL["zstd"]).compress(chunk))
