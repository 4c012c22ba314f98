"""An index is read as it was written, and two of them make the same whatever comes first, and however often."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from flakeship.caches.nar_entry import NarEntry, nix32
from flakeship.caches.packs.index import (
    Held,
    Index,
    LaterVersionError,
    aged,
    decode,
    encode,
    index_of,
    merged,
    touched,
    without,
)
from flakeship.caches.packs.manifest import INDEX_TYPE, decode_manifest
from flakeship.image.model import Digest, digest_of
from tests.faults.fuzzing.mutation import mutated_json

PACKS = [digest_of(str(number).encode()) for number in range(4)]
SIZE = 1000
DAY = 86400


def name_of(number: int) -> str:
    return f"{nix32(hashlib.sha256(str(number).encode()).digest()[:20])}-n{number}"


digests = st.binary(min_size=32, max_size=32)


@st.composite
def lines(draw: st.DrawFn) -> Held:
    number = draw(st.integers(0, 9))
    size = draw(st.integers(1, 100))
    entry = NarEntry(
        path=f"/nix/store/{name_of(number)}",
        nar_hash=draw(digests),
        nar_size=draw(st.integers(0, 2**40)),
        references=tuple(sorted(map(name_of, draw(st.sets(st.integers(0, 9), max_size=3))))),
        deriver=draw(st.sampled_from(["", f"/nix/store/{name_of(77)}.drv"])),
        ca=draw(st.sampled_from(["", "fixed:r:sha256:1"])),
        sigs=tuple(sorted(draw(st.sets(st.sampled_from(["a:b", "c:d"]), max_size=2)))),
        frame=draw(digests),
        frame_size=size,
    )
    return Held(
        entry=entry,
        pack=draw(st.sampled_from(PACKS)),
        offset=draw(st.integers(0, SIZE - size)),
        used=draw(st.integers(0, 30 * DAY)),
    )


indexes = st.lists(lines(), max_size=12).map(lambda found: index_of(found, dict.fromkeys(PACKS, SIZE)))


def stored(index: Index) -> tuple[bytes, list[tuple[Digest, int]]]:
    data, packs = encode(index)
    return data, [(digest, index.packs[digest]) for digest in packs]


@given(indexes)
def test_an_index_is_read_as_it_was_written(index: Index) -> None:
    assert decode(*stored(index)) == index
    assert encode(decode(*stored(index))) == encode(index)


@pytest.mark.slow
@given(indexes, indexes, indexes)
def test_a_merge_does_not_ask_who_comes_first(first: Index, second: Index, third: Index) -> None:
    both = merged(first, second)
    assert both == merged(second, first) == merged(both, first) == merged(both, both)
    assert merged(both, third) == merged(first, merged(second, third))
    assert both.held.keys() == first.held.keys() | second.held.keys()
    assert all(line.used >= first.held[part].used for part, line in both.held.items() if part in first.held)


@given(indexes, st.integers(0, 40), st.integers(0, 4 * SIZE), st.integers(0, 4))
def test_what_is_kept_is_the_newest(index: Index, days: int, size: int, packs: int) -> None:
    now = 30 * DAY
    kept = aged(index, now=now, days=days, size=size, packs=packs)
    assert kept.size <= size
    assert len(kept.packs) <= packs
    assert {line.pack for line in kept.held.values()} == kept.packs.keys()
    assert all(line.used >= now - days * DAY for line in kept.held.values())
    dropped = [line for part, line in index.held.items() if part not in kept.held]
    in_time = [line for line in dropped if line.used >= now - days * DAY]
    assert all(kept.size + SIZE > size or len(kept.packs) == packs for _ in in_time)
    assert aged(kept, now=now, days=days, size=size, packs=packs) == kept


@given(indexes)
def test_a_pack_without_a_living_path_drops_out(index: Index) -> None:
    gone = set(PACKS[:2])
    left = without(index, packs=gone, parts={part for part in index.held if index.held[part].used < DAY})
    assert not left.packs.keys() & gone
    assert {line.pack for line in left.held.values()} == left.packs.keys()


@given(indexes)
def test_a_use_is_noted_and_never_taken_back(index: Index) -> None:
    later = touched(index, index.held.keys(), now=15 * DAY)
    assert all(later.held[part].used == max(15 * DAY, line.used) for part, line in index.held.items())


LINE: dict[str, Any] = {
    "path": name_of(1),
    "nar": "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "size": 3,
    "frame": "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "at": [0, 0, 10],
    "used": 5,
}


def written(*documents: Any, raw: bytes = b"") -> bytes:
    text = b"".join(json.dumps(document).encode() + b"\n" for document in documents)
    return zstandard.ZstdCompressor().compress(text + raw)


def test_what_a_later_version_adds_is_passed_over() -> None:
    index = decode(written({"version": 1, "x": 1}, {**LINE, "new": [1]}), [(PACKS[0], SIZE)])
    assert [line.entry.path for line in index.held.values()] == [f"/nix/store/{name_of(1)}"]


def test_a_later_version_is_told_from_damage() -> None:
    with pytest.raises(LaterVersionError, match="version 2, and this flakeship knows 1"):
        decode(written({"version": 2}), [])


@pytest.mark.parametrize(
    "change",
    [
        {"path": "../etc"},
        {"path": 7},
        {"path": "/nix/store/" + name_of(1)},
        {"refs": ["../x"]},
        {"refs": "x"},
        {"deriver": "unknown-deriver"},
        {"nar": "sha256-AAAA"},
        {"nar": "md5:00"},
        {"size": -1},
        {"size": True},
        {"size": 1.5},
        {"size": 10**30},
        {"frame": None},
        {"at": [1, 0, 10]},
        {"at": [-1, 0, 10]},
        {"at": [0, 995, 10]},
        {"at": [0, 0, 0]},
        {"at": [0, 0]},
        {"at": 5},
        {"used": "now"},
        {"ca": "a\nSig: b"},
        {"sigs": ["é"]},
    ],
    ids=str,
)
def test_a_line_that_is_none_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        decode(written({"version": 1}, {**LINE, **change}), [(PACKS[0], SIZE)])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        written(),
        written({"version": 0}),
        written({"version": "1"}),
        written([1]),
        written({"version": 1}, [1]),
        written({"version": 1}, raw=b"{"),
        written({"version": 1}, raw=b"\xff\n"),
        written({"version": 1}, raw=b"[" * 100_000 + b"\n"),
        written({"version": 1}, raw=b" " * 3_000_000),
        written({"version": 1}, LINE)[:-3],
    ],
    ids=lambda data: repr(data[:20]),
)
def test_an_index_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(data, [(PACKS[0], SIZE)])


@given(st.integers(0, 2**32))
def test_whatever_is_changed_is_read_or_refused(seed: int) -> None:
    """By the changes that fuzzing makes. What is read has nothing but store paths within its packs."""
    chance = random.Random(seed)
    changed = mutated_json(
        LINE | {"refs": [name_of(2)], "deriver": name_of(3), "sigs": ["a:b"], "ca": "x"}, chance
    )
    with contextlib.suppress(ValueError):
        index = decode(written({"version": 1}, LINE, raw=changed + b"\n"), [(PACKS[0], SIZE)])
        for part, line in index.held.items():
            assert part == line.entry.hash_part
            assert line.offset + line.entry.frame_size <= SIZE
            assert encode(index)


@given(st.integers(0, 2**32))
def test_whatever_a_manifest_says_is_read_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    layers = [{"mediaType": INDEX_TYPE, "digest": PACKS[0], "size": 9}] * 2
    with contextlib.suppress(ValueError):
        decode_manifest(
            mutated_json({"schemaVersion": 2, "layers": layers, "annotations": {"a": "b"}}, chance)
        )
