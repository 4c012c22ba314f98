"""Which compression a run uses, by what is said and by where the image goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flakeship.commands.publish.look import only_loaded
from flakeship.commands.publish.packing import PackingRequest
from flakeship.destinations.grammar import targets
from flakeship.destinations.kind import Target
from flakeship.errors import UsageError
from flakeship.image.compress import Compression
from flakeship.settings.declaration import Settings


def going(*to: str) -> tuple[Target, ...]:
    return targets(to=to, references=(), cwd=Path("/"))


@pytest.mark.parametrize(
    ("inputs", "to", "expected"),
    [
        ({}, ["oci:x"], Compression("gzip", 2)),
        ({}, ["docker-daemon:a"], Compression("none", 0)),
        ({}, ["docker-daemon:a", "containers-storage:a"], Compression("none", 0)),
        ({}, ["docker-daemon:a", "docker-archive:x.tar"], Compression("gzip", 2)),
        ({"compression_level": 1}, ["docker-daemon:a"], Compression("gzip", 1)),
        ({"compression": "gzip"}, ["docker-daemon:a"], Compression("gzip", 2)),
        ({"compression": "zstd"}, ["oci:x"], Compression("zstd", 3)),
        ({"compression": "none"}, ["oci:x"], Compression("none", 0)),
    ],
)
def test_what_is_said_counts_and_an_engine_alone_needs_none(
    inputs: dict[str, Any], to: list[str], expected: Compression
) -> None:
    assert PackingRequest.of(Settings(**inputs)).compression(only_loaded=only_loaded(going(*to))) == expected


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"compression_level": 3}, "gzip takes 0 to 2"),
        ({"compression": "zstd", "compression_level": 20}, "zstd takes 1 to 19"),
        ({"compression": "none", "compression_level": 1}, "none takes 0 to 0"),
        (
            {"compression": "zstd", "media_types": "docker"},
            "Docker's media types have no name for layers in zstd",
        ),
    ],
)
def test_what_can_not_be_is_refused(inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        PackingRequest.of(Settings(**inputs))
    assert caught.value.hint
