"""Threads that an error has abandoned: told to stop, and waited for once what they wait for has ended."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator

import pytest

from flakeship.image.compress import Compression
from flakeship.image.media_types import OCI
from flakeship.image.model import Layer
from flakeship.image.pack import Packing, packed_layers
from flakeship.image.workers import joined, workers
from flakeship.stores.temporary import temporary_store


def test_one_that_waits_is_abandoned_first_and_joined_later() -> None:
    stop, go, ran = threading.Event(), threading.Event(), threading.Event()

    def interrupted() -> None:
        with workers("test", 1, stop) as pool:
            pool.submit(go.wait)
            pool.submit(ran.set)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stop.is_set()
    assert not joined(0.01)
    go.set()
    assert joined(10)
    assert not ran.is_set()


def test_after_a_block_that_is_left_in_peace_there_is_nobody_to_join() -> None:
    with workers("test", 2) as pool:
        assert pool.submit(lambda: 3).result() == 3
    assert joined(0)


def test_layers_that_nobody_takes_any_more_are_not_read_on() -> None:
    """A worker that sends has failed: what packs for it is told, though its error is kept and looked at."""
    read = threading.Semaphore(0)

    class Endless(io.RawIOBase):
        def read(self, size: int = -1, /) -> bytes:
            read.release()
            return bytes(size)

    def layers() -> Iterator[Layer]:
        yield Layer("first", lambda: io.BytesIO(b"x" * 512))
        yield Layer("endless", Endless)

    with temporary_store(None) as store:
        packing = Packing(Compression("none", 0), OCI, store, 2)
        packed = packed_layers(layers(), packing, forward_only=True)
        next(packed)
        packed.close()
        assert joined(10)
