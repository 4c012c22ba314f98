"""Bodies in a Content-Encoding that nobody asked for: decoded where it is one, kept where only its name is."""

from __future__ import annotations

import gzip
import io
import random
import zlib
from collections.abc import Callable

import pytest

from flakeship.http.coding import as_stored, coding_of, decoded
from flakeship.http.errors import BrokenConnectionError, WireError
from flakeship.http.origin import Origin

ORIGIN = Origin.of("https://registry.example")
TEXT = b'{"schemaVersion": 2}' * 5000
NOISE = random.Random(1).randbytes(300_000)


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


class Dribbling(io.BytesIO):
    """A file that hands out a few bytes at a time, as a connection may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(7, size) if size and size > 0 else 7)


def stream(data: bytes) -> io.RawIOBase:
    return io.BytesIO(data)  # type: ignore[return-value]


def whole(reader: io.RawIOBase, size: int = 1000) -> bytes:
    return b"".join(iter(lambda: reader.read(size) or b"", b""))


@pytest.mark.parametrize(
    ("coding", "encoded"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
        ("gzip", lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:])),
    ],
    ids=["gzip", "x-gzip", "deflate", "deflate without zlib's header", "two members"],
)
@pytest.mark.parametrize("data", [b"", b"x", TEXT, NOISE], ids=["nothing", "a byte", "text", "noise"])
@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_a_known_coding_is_undone(
    coding: str, encoded: Callable[[bytes], bytes], data: bytes, size: int
) -> None:
    assert whole(decoded(stream(encoded(data)), coding, ORIGIN), size) == data
    assert whole(decoded(Dribbling(encoded(data)), coding, ORIGIN), size) == data  # type: ignore[arg-type]


@pytest.mark.parametrize("said", ["", "identity", " Identity "])
def test_no_coding_is_none(said: str) -> None:
    assert whole(decoded(stream(b"as it is"), coding_of(said), ORIGIN)) == b"as it is"


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, br", "\x1b[31m"])
def test_another_coding_is_named(coding: str) -> None:
    with pytest.raises(WireError, match="which was not asked for") as raised:
        decoded(stream(b""), coding_of(coding), ORIGIN)
    assert "\x1b" not in raised.value.message
    assert not raised.value.transient
    assert raised.value.hint


@pytest.mark.parametrize("encode", [gzip.compress, zlib.compress, raw_deflate])
def test_what_is_cut_is_a_failure_of_the_network(encode: Callable[[bytes], bytes]) -> None:
    data = encode(NOISE[:100])
    for cut in range(1, len(data)):
        with pytest.raises((BrokenConnectionError, WireError)) as raised:
            whole(decoded(stream(data[:cut]), "gzip", ORIGIN))
        assert raised.value.transient


def test_what_is_damaged_is_one_too() -> None:
    with pytest.raises(WireError, match="damaged"):
        whole(decoded(stream(b"no gzip at all"), "gzip", ORIGIN))


@pytest.mark.slow
def test_what_is_small_and_becomes_large_is_read_as_far_as_it_is_wanted() -> None:
    reader = decoded(stream(gzip.compress(bytes(100_000_000), 9)), "gzip", ORIGIN)
    assert len(reader.read(1000) or b"") <= 1000


CONFIG = b'{"architecture":"amd64"}'
LAYER = gzip.compress(b"a.txt" + bytes(507))


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (gzip.compress(CONFIG), CONFIG),
        (gzip.compress(LAYER), LAYER),
        (gzip.compress(b"\x28\xb5\x2f\xfd" + NOISE), b"\x28\xb5\x2f\xfd" + NOISE),
        (LAYER, LAYER),
        (b"\x28\xb5\x2f\xfd" + NOISE, b"\x28\xb5\x2f\xfd" + NOISE),
        (CONFIG, CONFIG),
        (b"", b""),
    ],
    ids=["config", "layer", "zstd", "layer of that name", "other compression", "nothing done", "empty"],
)
def test_a_blob_is_what_its_digest_is_of(sent: bytes, stored: bytes) -> None:
    assert whole(as_stored(stream(sent), "gzip", ORIGIN)) == stored


def test_a_read_without_a_size_is_one_of_some() -> None:
    reader = decoded(stream(gzip.compress(CONFIG)), "gzip", ORIGIN)
    assert reader.read(0) == b""
    assert reader.read() == CONFIG
    assert reader.read() == b""
