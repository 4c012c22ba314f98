"""What is believed of caches without Nix: the right bytes of what a trusted cache or key vouches for, and nothing else."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from flakeship.caches.folder_cache import FolderCache
from flakeship.caches.loopback.served import Nar, cache_info
from flakeship.caches.nar_entry import NarEntry, narinfo_of, parse_narinfo, sha256_of
from flakeship.caches.nar_source import NarSource
from flakeship.caches.packs.signing import SecretKey
from flakeship.caches.substitutes import Substitutes
from flakeship.image.model import SourceGoneError
from flakeship.store_paths import STORE

NAR = b"\x0d" + bytes(7) + b"nix-archive-1" + bytes(1000)
KEY, OTHER = (SecretKey(name, hashlib.sha256(name.encode()).digest()) for name in ("ours-1", "theirs-1"))


def path(letter: str) -> str:
    return f"{STORE}{letter * 32}-{letter}"


def entry(letter: str, *references: str, key: SecretKey | None = KEY) -> NarEntry:
    made = NarEntry(
        path=path(letter),
        nar_hash=hashlib.sha256(NAR).digest(),
        nar_size=len(NAR),
        references=tuple(path(each).removeprefix(STORE) for each in references),
        frame=bytes(32),
        frame_size=len(NAR),
        compression="none",
    )
    return dataclasses.replace(made, sigs=(key.signature(made),)) if key else made


class Shelf:
    """A `Served` of these entries; each NAR is `nar`, and `asked` are the hash parts that it was asked for."""

    def __init__(self, *entries: NarEntry, nar: bytes | None = NAR) -> None:
        self.entries = {each.hash_part: each for each in entries}
        self.nar_bytes, self.asked = nar, list[str]()

    def info(self) -> bytes:
        return cache_info(priority=30)

    def narinfo(self, hash_part: str) -> bytes | None:
        self.asked.append(hash_part)
        found = self.entries.get(hash_part)
        return narinfo_of(found, f"nar/{hash_part}") if found else None

    def nar(self, name: str) -> contextlib.AbstractContextManager[Nar] | None:
        assert name in self.entries
        return self._opened(self.nar_bytes) if self.nar_bytes is not None else None

    @contextlib.contextmanager
    def _opened(self, nar: bytes) -> Iterator[Nar]:
        yield Nar(len(nar), io.BytesIO(nar))

    has_warned = False

    def close(self) -> None:
        pass


def substitutes(*shelves: Shelf, trusted: bool = False, keys: tuple[str, ...] | None = ()) -> Substitutes:
    return Substitutes([NarSource("the shelf", shelf, trusted) for shelf in shelves], keys)


@pytest.mark.parametrize(
    ("key", "trusted", "keys", "found"),
    [
        (KEY, False, (str(KEY.public),), True),
        (KEY, False, ("no key", str(OTHER.public), str(KEY.public)), True),
        (KEY, False, (str(OTHER.public),), False),
        (KEY, False, (), False),
        (None, False, (str(KEY.public),), False),
        (None, True, (), True),
        (None, False, None, True),
    ],
)
def test_a_path_is_believed_where_nix_believes_it(
    *, key: SecretKey | None, trusted: bool, keys: tuple[str, ...] | None, found: bool
) -> None:
    have = substitutes(Shelf(entry("a", key=key)), trusted=trusted, keys=keys)
    assert (have.find(path("a")) is not None) == found


@pytest.mark.parametrize(
    "changed",
    [
        {"nar_hash": bytes(32)},
        {"nar_size": 1},
        {"references": (path("b").removeprefix(STORE),)},
        {"path": path("b")},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_signature_is_of_all_that_counts(changed: dict[str, object]) -> None:
    lying = dataclasses.replace(entry("a"), **changed)  # type: ignore[arg-type]
    shelf = Shelf(lying)
    shelf.entries["a" * 32] = lying
    assert substitutes(shelf, keys=(str(KEY.public),)).find(path("a")) is None


def test_the_next_cache_is_asked_for_what_the_first_has_without_a_signature() -> None:
    right = entry("a")
    found = substitutes(Shelf(entry("a", key=OTHER)), Shelf(right), keys=(str(KEY.public),)).find(path("a"))
    assert found
    assert found.info.sigs == right.sigs


@pytest.mark.slow
@pytest.mark.parametrize("change", ["", "bytes", "name"])
def test_a_source_says_itself_what_it_holds(
    tmp_path: Path, nix_environ: Mapping[str, str], change: str
) -> None:
    (tmp_path / "source").write_text("source")

    def nix(*words: str) -> str:
        done = subprocess.run(["nix", *words], env=nix_environ, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    added = nix("store", "add-path", str(tmp_path / "source"))
    (known,) = json.loads(nix("path-info", "--json", added))
    made = dataclasses.replace(
        entry("a", key=None), path=added, nar_hash=sha256_of(known["narHash"]), ca=known["ca"]
    )
    if change == "bytes":
        made = dataclasses.replace(made, nar_hash=bytes(32), ca=f"fixed:r:sha256:{'0' * 52}")
    elif change == "name":
        made = dataclasses.replace(made, path=f"{added}-2")
    assert (substitutes(Shelf(made)).find(made.path) is not None) == (not change)


def test_all_that_is_needed_is_asked_for_once_but_for_what_is_here() -> None:
    shelf = Shelf(entry("a", "a", "b", "c"), entry("b", "c", "d"), entry("c", "d"))
    have = substitutes(shelf, trusted=True)
    found = have.closure([path("a")], path("d").__eq__)
    assert found
    assert sorted(found) == [path("a"), path("b"), path("c")]
    assert sorted(shelf.asked) == ["a" * 32, "b" * 32, "c" * 32]
    assert have.closure([path("a")], lambda _: False) is None


@pytest.mark.parametrize(
    "nar", [NAR, None, NAR[:-1], NAR + b"x", NAR[:-1] + b"x", b"", b"\x28\xb5\x2f\xfd" + NAR]
)
def test_the_bytes_of_a_nar_are_the_right_ones_or_none_are_given_to_the_end(nar: bytes | None) -> None:
    found = substitutes(Shelf(entry("a"), nar=nar), trusted=True).find(path("a"))
    assert found
    read = b""
    with contextlib.suppress(SourceGoneError), found.opened() as reader:
        while data := reader.read(400):
            read += data
        assert read == NAR
        return
    assert nar != NAR


@pytest.mark.parametrize(
    "narinfo", [b"", b"no narinfo", b"\xff", b"StorePath: " + path("b").encode() + b"\nURL: x\n"]
)
def test_a_folder_that_holds_something_else_has_nothing(tmp_path: Path, narinfo: bytes) -> None:
    (tmp_path / f"{'a' * 32}.narinfo").write_bytes(narinfo)
    have = Substitutes([NarSource("the folder", FolderCache(tmp_path), trusted=True)], None)
    assert have.find(path("a")) is None
    assert have.find(path("c")) is None


@pytest.mark.parametrize("url", ["../outside.nar", "/etc/passwd", "nar/../../outside.nar"])
def test_a_folder_gives_nothing_that_lies_outside(tmp_path: Path, url: str) -> None:
    (tmp_path / "outside.nar").write_bytes(NAR)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / f"{'a' * 32}.narinfo").write_bytes(narinfo_of(entry("a"), url))
    assert parse_narinfo(narinfo_of(entry("a"), url)).url == url
    assert (
        Substitutes([NarSource("the folder", FolderCache(folder), trusted=True)], None).find(path("a"))
        is None
    )


@pytest.mark.parametrize(
    ("nar", "says"),
    [
        (None, "does not give {}, which it says it has"),
        (NAR + b"x", "holds a wrong {}: it is larger than was stated"),
        (NAR[:-1], "holds a wrong {}: it does not have the hash that was stated"),
        (b"\x28\xb5\x2f\xfd" + bytes(9) + b"\xff" * 90, "holds a wrong {}: its compressed stream is damaged"),
    ],
    ids=["gone", "longer", "shorter", "not zstd"],
)
@pytest.mark.parametrize("has_warned", [False, True])
def test_what_is_wrong_is_told_with_the_name_and_given_to_nobody_else(
    nar: bytes | None, says: str, *, has_warned: bool
) -> None:
    """Where the cache has warned by itself, nobody else needs to."""
    stated, lost = entry("a"), list[str]()
    shelf = Shelf(stated, nar=nar)
    shelf.has_warned = has_warned
    source = NarSource("the shelf", shelf, trusted=True, lose=lost.append)
    found = source.info(stated.path, stated.hash_part)
    assert found
    with pytest.raises(SourceGoneError) as caught, source.nar(found) as reader:
        list(iter(lambda: reader.read(7), b""))
    assert str(caught.value).startswith(f"the shelf {says.format(stated.path)}")
    assert caught.value.is_told is has_warned
    assert lost == ([] if nar is None else [stated.hash_part])
