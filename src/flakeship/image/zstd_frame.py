"""One zstd frame of a stream, made in the caller's thread: for what is packed by the thousand, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def zstd_frame(chunks: Iterable[bytes], *, level: int) -> Iterator[bytes]:
    """Yield the frame, piece by piece. It has a checksum, and needs no more than 8 MiB to be inflated at these levels (1 to 19)."""
    import zstandard

    compressor = zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=False)
    stream = compressor.compressobj()
    for data in chunks:
        if piece := stream.compress(data):
            yield piece
    yield stream.flush()
