"""Reading compressed streams: recognised by their first bytes, inflated piece by piece, never into memory as a whole."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from flakeship.image.stream import CHUNK, Prefixed, Reader, Wrapper, read_full
from flakeship.image.tar.blocks import BLOCK, DamagedError

GZIP_MAGIC: Final = b"\x1f\x8b"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_SKIPPABLE: Final = b"\x2a\x4d\x18"
_SKIPPABLE_FIRST: Final = 0x50
"""The first half of the byte before `_SKIPPABLE`; the other half may be anything."""
_WINDOW_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of history that zstd keeps while it inflates: level 20 of `zstd` asks for 32 MiB, `--ultra -22` for 128."""
_XZ_MAGIC: Final = b"\xfd7zXZ\0"
_BZIP2_MAGIC: Final = b"BZh"
_BZIP2_BLOCKS: Final = (b"1AY&SY", b"\x17rE8P\x90")
"""What follows the digit behind the magic: the first block, or the end of a stream without one. A tar may begin with `BZh`."""
_MEMORY: Final = 128 * 1024 * 1024
"""Bytes that xz may ask for: level 9 asks for 65 MiB."""
_OTHERS: Final = (b"PK\x03\x04", b"7z\xbc\xaf\x27\x1c", b"LZIP", b"\x04\x22\x4d\x18", b"Rar!")


def is_compressed(head: bytes) -> bool:
    """Tell whether a file that begins so is compressed, in one of the ways that docker and skopeo know.

    Of these, xz and bzip2 have no name in image-spec: `suffix_of` is empty for them.
    """
    return bool(suffix_of(head)) or _is_xz(head) or _is_bzip2(head)


def _is_xz(head: bytes) -> bool:
    return head.startswith(_XZ_MAGIC)


def _is_bzip2(head: bytes) -> bool:
    return head.startswith(_BZIP2_MAGIC) and head[3:4] in b"123456789" and head[4:10] in _BZIP2_BLOCKS


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
    """Tell whether a file that begins so is packed in a way that no tool takes for an image: zip, 7z, lzip, lz4, rar."""
    return head.startswith(_OTHERS)


class Inflated(Wrapper):
    """The content of a compressed file, forward only; gzip is inflated in a thread of its own.

    `read` raises DamagedError where the compressed stream is cut off or its checksum is wrong.
    """

    def __init__(self, file: Reader, head: bytes) -> None:
        super().__init__(file)
        self._stream, self._errors = _kind(head)(file)

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1, /) -> bytes:
        try:
            # python-isal (1.9.1 at least) takes the end of its thread for the end of the stream, even if the thread put
            # its last block into the queue meanwhile: `_ThreadedGzipReader.readinto`. Asked again, it gives that block.
            # docs/decisions.md#the-end-of-gzip-is-read-twice
            return self._stream.read(size) or self._stream.read(size)
        except self._errors as error:
            if "Not a gzipped file" in str(
                error
            ):  # as isal says it of a second stream: the first has been read
                raise DamagedError("something that is not gzip follows its compressed stream") from error
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


def _kind(head: bytes) -> Callable[[Any], _Stream]:
    if head.startswith(GZIP_MAGIC):
        return _gzip
    if _is_xz(head):
        return _xz
    return _bzip2 if _is_bzip2(head) else _zstd


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


def _xz(file: Any) -> _Stream:
    import lzma

    make = functools.partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, memlimit=_MEMORY)
    return _Serial(file, make), (lzma.LZMAError, EOFError, OSError)


def _bzip2(file: Any) -> _Stream:
    import bz2

    return _Serial(file, bz2.BZ2Decompressor), (EOFError, OSError)


class _Serial(Wrapper):
    """The streams of xz or bzip2 that a file holds one behind the other, with zeros between them as xz allows."""

    def __init__(self, file: Reader, make: Callable[[], Any]) -> None:
        super().__init__(file)
        self._make, self._stream, self._rest = make, make(), b""

    def read(self, size: int = -1, /) -> bytes:
        size = CHUNK if size < 0 else min(size, CHUNK)
        while size:
            if self._stream.eof and not self._next():
                return b""
            data = b""
            if self._stream.needs_input:
                data, self._rest = self._rest or self._reader.read(CHUNK), b""
                if not data:
                    raise EOFError("it ends too early")
            content: bytes = self._stream.decompress(data, size)
            if content:
                return content
        return b""

    def _next(self) -> bool:
        """Go to the next stream, if there is one."""
        rest = self._stream.unused_data.lstrip(b"\0")
        while not rest:
            if not (data := self._reader.read(CHUNK)):
                return False
            rest = data.lstrip(b"\0")
        self._stream, self._rest = self._make(), rest
        return True
