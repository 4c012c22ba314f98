"""Compressed streams are read to their very end."""

from __future__ import annotations

import gzip
import io
import queue
from typing import Any, cast

import pytest

from flakeship.image.inflate import Inflated
from flakeship.image.stream import chunks


@pytest.mark.parametrize("waited_in_vain", [False, True])
def test_the_last_block_counts_even_if_the_inflating_thread_has_ended(
    monkeypatch: pytest.MonkeyPatch, *, waited_in_vain: bool
) -> None:
    """On a busy machine the reader stops waiting, the thread puts its last block and ends, and then the reader looks at it."""
    content = b"x" * 1000
    data = gzip.compress(content)
    stream = Inflated(io.BytesIO(data), data)
    threaded = cast("Any", stream._stream).raw
    threaded.worker.join()
    get, first = threaded.queue.get, iter([waited_in_vain])

    def impatient(*arguments: Any, **named: Any) -> Any:
        if next(first, False):
            raise queue.Empty
        return get(*arguments, **named)

    monkeypatch.setattr(threaded.queue, "get", impatient)
    with stream:
        assert b"".join(chunks(stream)) == content
