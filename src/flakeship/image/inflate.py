"""Reading compressed streams: recognised by their first bytes, inflated piece by piece, never into memory as a whole."""

from __future__ import annotations

from typing import Any, Final

from flakeship.image.stream import Prefixed, Reader, Wrapper, read_full
from flakeship.image.tar.blocks import BLOCK, DamagedError

GZIP_MAGIC: Final = b"\x1f\x8b"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_SKIPPABLE: Final = b"\x2a\x4d\x18"
_SKIPPABLE_FIRST: Final = 0x50
"""The first half of the byte before `_SKIPPABLE`; the other half may be anything."""
_WINDOW_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of history that zstd keeps while it inflates: level 20 of `zstd` asks for 32 MiB, `--ultra -22` for 128."""
_XZ_MAGIC: Final = b"\xfd7zXZ"
_BZIP2_MAGIC: Final = b"BZh"


def is_compressed(head: bytes) -> bool:
    """Tell whether a file that begins so is compressed with gzip or zstd."""
    return bool(suffix_of(head))


def suffix_of(head: bytes) -> str:
    """Return what image-spec appends to the media type of a layer that begins so: "", "+gzip", "+zstd"."""
    if head.startswith(GZIP_MAGIC):
        return "+gzip"
    return "+zstd" if _is_zstd(head) else ""


def _is_zstd(head: bytes) -> bool:
    """zstd may begin with frames that hold no data, as pzstd writes them: RFC 8878, section 3.1.2.

    Other formats have such frames too, so what follows them decides, where `head` reaches that far.
    """
    place = 0
    while head[place + 1 : place + 4] == _SKIPPABLE and head[place] & 0xF0 == _SKIPPABLE_FIRST:
        place += 8 + int.from_bytes(head[place + 4 : place + 8], "little")
    return head.startswith(ZSTD_MAGIC, place) or 0 < len(head) <= place


def is_foreign(head: bytes) -> bool:
    """Tell whether a file that begins so is compressed with xz or bzip2, which no Nix builder of images uses."""
    return head.startswith((_XZ_MAGIC, _BZIP2_MAGIC))


class Inflated(Wrapper):
    """The content of a gzip or zstd file, forward only; gzip is inflated in a thread of its own.

    `read` raises DamagedError where the compressed stream is cut off or its checksum is wrong.
    """

    def __init__(self, file: Reader, head: bytes) -> None:
        super().__init__(file)
        self._stream, self._errors = _gzip(file) if head.startswith(GZIP_MAGIC) else _zstd(file)

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1, /) -> bytes:
        try:
            # python-isal (1.9.1 at least) takes the end of its thread for the end of the stream, even if the thread put
            # its last block into the queue meanwhile: `_ThreadedGzipReader.readinto`. Asked again, it gives that block.
            # docs/decisions.md#the-end-of-gzip-is-read-twice
            return self._stream.read(size) or self._stream.read(size)
        except self._errors as error:
            raise DamagedError(f"its compressed stream is damaged ({error})") from error

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def uncompressed(reader: Reader) -> Reader:
    """Return the stream itself, inflated if its first bytes say that it is compressed. Closing it closes `reader`."""
    head = read_full(reader, BLOCK)
    whole = Prefixed(head, reader)
    return Inflated(whole, head) if is_compressed(head) else whole


_Stream = tuple[Reader, tuple[type[Exception], ...]]


def _gzip(file: Any) -> _Stream:
    from isal import igzip_threaded, isal_zlib

    stream: Any = igzip_threaded.open(file, "rb", threads=1)  # type: ignore[no-untyped-call]
    damage: Any = isal_zlib.error
    return stream, (damage, EOFError, OSError)


def _zstd(file: Any) -> _Stream:
    import zstandard

    stream: Any = zstandard.ZstdDecompressor(max_window_size=_WINDOW_LIMIT).stream_reader(
        file, read_across_frames=True
    )
    return stream, (zstandard.ZstdError, OSError)
