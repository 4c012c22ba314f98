"""Whatever is wrong with a cache, nothing wrong is handed on, the run goes on, and one warning tells why."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flakeship.caches.kept_in_packs import PackKeeper
from flakeship.caches.packs.index import Index, encode, index_of
from flakeship.caches.packs.manifest import CONFIG, INDEX_TYPE, RootManifest, encode_manifest
from flakeship.caches.packs.repository import Repository, read_root
from flakeship.caches.place import LayoutPlace, NixCache
from flakeship.caches.plan import KeptResults
from flakeship.image.document import encode as encode_json
from flakeship.image.model import digest_of
from flakeship.nix.command import Nix
from tests.caches.conftest import tools_of
from tests.caches.packs.scene import BRANCH, MAIN, SYSTEM, Scene, holds, some_paths

PATHS = some_paths(4)
MORE = some_paths(2, seed="more")


def put(repository: Repository, index: Index, *, index_type: str = INDEX_TYPE) -> None:
    """Let the root hold this index, as one of such a type."""
    data, packs = encode(index)
    manifest = RootManifest(
        (digest_of(data), len(data)), tuple((digest, index.packs[digest]) for digest in packs), {}
    )
    for content in (data, CONFIG):
        repository.upload(digest_of(content), len(content), partial(io.BytesIO, content))
    there = repository.manifest(MAIN.tag)
    repository.put(
        MAIN.tag,
        encode_manifest(manifest).replace(INDEX_TYPE.encode(), index_type.encode()),
        instead_of=there.digest if there else None,
    )


def index_at(repository: Repository) -> Index:
    root = read_root(repository, MAIN.tag)
    assert root
    return root.index


def blob_of(scene: Scene, digest: str) -> Path:
    return scene.folder / "layout/blobs" / digest.replace(":", "/")


def shifted(index: Index) -> Index:
    """Each path lies where another one of the same size does."""
    lines = list(index.held.values())
    others = [*lines[1:], lines[0]]
    return index_of(
        (replace(line, offset=other.offset) for line, other in zip(lines, others, strict=True)), index.packs
    )


def renamed(index: Index) -> Index:
    """Each path has the frame of another one, and tells its hash."""
    lines = list(index.held.values())
    frames = [line.entry.frame for line in (*lines[1:], lines[0])]
    return index_of(
        (
            replace(line, entry=replace(line.entry, frame=frame))
            for line, frame in zip(lines, frames, strict=True)
        ),
        index.packs,
    )


@pytest.mark.parametrize("lie", [shifted, renamed])
def test_an_index_that_lies_is_not_believed(scene: Scene, lie: Callable[[Index], Index]) -> None:
    repository = scene.layout()
    scene.write(repository, PATHS)
    put(repository, lie(index_at(repository)))
    cache = scene.cache(repository)
    assert holds(cache, PATHS) == []
    assert len(cache.damaged) == len(PATHS)
    assert len(scene.warnings) == 1
    assert "holds damaged paths, which are built anew" in scene.warnings[0]


def lying(index: Index) -> Index:
    """Each path has the NAR of another one in its frame, which is whole."""
    lines = list(index.held.values())
    hashes = [line.entry.nar_hash for line in (*lines[1:], lines[0])]
    return index_of(
        (
            replace(line, entry=replace(line.entry, nar_hash=nar_hash))
            for line, nar_hash in zip(lines, hashes, strict=True)
        ),
        index.packs,
    )


def referring(index: Index) -> Index:
    """Each path refers to one that is nowhere."""
    return index_of(
        (
            replace(line, entry=replace(line.entry, references=(f"{'1' * 32}-x",)))
            for line in index.held.values()
        ),
        index.packs,
    )


def exchanged(index: Index) -> Index:
    """Each path has all that another one has, so that its NAR is as the index says: as that of another build would be."""
    lines = list(index.held.values())
    return index_of(
        (
            replace(
                line,
                offset=other.offset,
                entry=replace(other.entry, path=line.entry.path, references=line.entry.references),
            )
            for line, other in zip(lines, (*lines[1:], lines[0]), strict=True)
        ),
        index.packs,
    )


@pytest.mark.parametrize(("lie", "copied"), [(lying, True), (exchanged, True), (referring, False)])
def test_what_nix_refused_and_built_is_written_anew(
    scene: Scene, nix: Nix, lie: Callable[[Index], Index], *, copied: bool
) -> None:
    """Frames are what the index says, so that only Nix finds it out, when it has copied the path."""
    repository = scene.layout()
    scene.write(repository, PATHS)
    put(repository, lie(index_at(repository)))
    place = NixCache(LayoutPlace(scene.folder / "layout"))
    kept = KeptResults(cache=place, ref=MAIN.ref, attributes=MAIN.attributes)
    for sound in (False, True):
        keeper = PackKeeper(kept, tools_of(nix, scene.events.append, scene.folder), system=SYSTEM)
        assert len(keeper.held([info.hash_part for info in PATHS])) == len(PATHS)
        assert [keeper.is_sound(info, copied=copied) for info in PATHS] == [sound] * len(PATHS)
        assert keeper.taker
        for info, nar in PATHS.items():
            keeper.taker.add(info, [nar])
        assert bool(keeper.finish(20))
        keeper.close()
    assert holds(scene.cache(repository), PATHS) == list(PATHS)


def test_a_flipped_bit_is_found_and_what_it_hit_written_anew(scene: Scene) -> None:
    repository = scene.layout()
    scene.write(repository, PATHS)
    index = index_at(repository)
    victim = next(iter(PATHS))
    line = index.held[victim.hash_part]
    path = blob_of(scene, line.pack)
    data = bytearray(path.read_bytes())
    data[line.offset + 20] ^= 1
    path.write_bytes(data)
    cache = scene.cache(repository)
    assert holds(cache, PATHS) == [info for info in PATHS if info != victim]
    assert cache.entry(victim.hash_part) is None
    assert len(scene.warnings) == 1
    scene.write(repository, {victim: PATHS[victim]}, after=cache)
    assert holds(scene.cache(repository), PATHS) == list(PATHS)


def test_a_damaged_pack_is_written_anew_where_one_of_the_same_digest_would_be_kept(scene: Scene) -> None:
    repository = scene.layout()
    one = some_paths(1)
    scene.write(repository, one)
    [damaged] = index_at(repository).packs
    blob_of(scene, damaged).write_bytes(bytes(blob_of(scene, damaged).stat().st_size))
    cache = scene.cache(repository)
    assert holds(cache, one) == []
    scene.write(repository, one, after=cache)
    assert holds(scene.cache(repository), one) == list(one)


@pytest.mark.parametrize("annotations", [None, {"org.opencontainers.image.ref.name": 5}, {}])
def test_a_layout_of_which_another_tool_wrote_an_entry(scene: Scene, annotations: Any) -> None:
    repository = scene.layout()
    scene.write(repository, PATHS)
    path = scene.folder / "layout/index.json"
    index = json.loads(path.read_bytes())
    index["manifests"].insert(0, {**index["manifests"][0], "annotations": annotations})
    path.write_text(json.dumps(index))
    assert list(repository.tags()) == [MAIN.tag]
    assert holds(scene.cache(repository), PATHS) == list(PATHS)
    assert holds(scene.cache(repository, BRANCH), PATHS) == []
    assert not scene.warnings


@pytest.mark.parametrize("bad", ["gone", "short"])
def test_a_pack_that_is_gone_costs_what_lay_in_it(scene: Scene, bad: str) -> None:
    repository = scene.layout()
    scene.write(repository, PATHS)
    [lost] = index_at(repository).packs
    scene.write(repository, MORE)
    if bad == "gone":
        blob_of(scene, lost).unlink()
    else:
        blob_of(scene, lost).write_bytes(b"short")
    cache = scene.cache(repository)
    assert holds(cache, {**PATHS, **MORE}) == list(MORE)
    assert len(scene.warnings) == 1
    assert "lacks a pack" in scene.warnings[0]
    scene.write(repository, {}, after=cache)
    assert index_at(repository).packs.keys().isdisjoint({lost})
    scene.write(repository, PATHS)
    assert holds(scene.cache(repository), {**PATHS, **MORE}) == [*PATHS, *MORE]


def test_a_pack_that_went_while_a_run_wrote_is_left_out(scene: Scene) -> None:
    """The run has read nothing of it, so that the registry's refusal of the manifest tells it first."""
    repository = scene.layout()
    scene.write(repository, PATHS)
    [lost] = index_at(repository).packs
    blob_of(scene, lost).unlink()
    written = scene.write(repository, MORE)
    assert written
    assert written.all_paths == len(MORE)
    assert holds(scene.cache(repository), {**PATHS, **MORE}) == list(MORE)


IMAGE = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": digest_of(b"{}"),
        "size": 2,
    },
    "layers": [],
}
WRONG = {
    "of another tool": (
        encode_json(IMAGE),
        "is no cache of flakeship: it is an image, or something of another tool",
    ),
    "no manifest": (b"[]", "the index of the cache {} is damaged: it is not a JSON object"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_tag_that_names_something_else(scene: Scene, what: str) -> None:
    repository = scene.layout()
    manifest, reason = WRONG[what]
    repository.upload(digest_of(b"{}"), 2, partial(io.BytesIO, b"{}"))
    repository.put(MAIN.tag, manifest, instead_of=None)
    assert holds(scene.cache(repository), PATHS) == []
    assert reason.format(f"{repository.name}:{MAIN.tag}") in scene.warnings[0]
    assert len(scene.warnings) == 1
    written = scene.write(repository, PATHS)
    if what == "no manifest":  # what nobody can read is written anew
        assert written
        return
    assert written is None
    assert len(scene.warnings) == 2
    stored = repository.manifest(MAIN.tag)
    assert stored
    assert stored.data == manifest, "and it is not replaced"


def test_a_root_of_a_later_version_is_neither_read_nor_replaced(scene: Scene) -> None:
    repository = scene.layout()
    scene.write(repository, PATHS)
    put(repository, index_at(repository), index_type=INDEX_TYPE.replace("v1", "v2"))
    before = repository.manifest(MAIN.tag)
    assert holds(scene.cache(repository), PATHS) == []
    assert "was written by a later flakeship" in scene.warnings[0]
    assert scene.write(repository, MORE) is None
    assert repository.manifest(MAIN.tag) == before
    assert len(scene.warnings) == 2


@pytest.mark.parametrize("what", ["index", "manifest", "no manifest"])
def test_a_damaged_index_is_written_anew(scene: Scene, what: str) -> None:
    repository = scene.layout()
    scene.write(repository, PATHS)
    root = read_root(repository, MAIN.tag)
    assert root
    damaged = blob_of(scene, root.manifest.index[0] if what == "index" else root.digest)
    if what == "no manifest":
        damaged.unlink()
    else:
        damaged.write_bytes(b"x")
    assert holds(scene.cache(repository), PATHS) == []
    assert len(scene.warnings) == 1
    assert scene.write(repository, MORE)
    assert holds(scene.cache(repository), MORE) == list(MORE)


def test_a_repository_that_holds_images_is_not_written_to(scene: Scene) -> None:
    repository = scene.layout()
    repository.upload(digest_of(b"{}"), 2, partial(io.BytesIO, b"{}"))
    repository.put("latest", encode_json(IMAGE), instead_of=None)
    assert scene.write(scene.layout(), PATHS) is None
    assert len(scene.warnings) == 1
    assert "holds other things than a cache, such as the tag latest" in scene.warnings[0]
    assert repository.tags() == ["latest"]
    blobs = (scene.folder / "layout/blobs/sha256").iterdir()
    assert len(list(blobs)) == 2, "no pack was put beside the image"


def test_a_folder_that_is_something_else(scene: Scene) -> None:
    (scene.folder / "layout").mkdir()
    (scene.folder / "layout/file").touch()
    repository = scene.layout()
    assert holds(scene.cache(repository), PATHS) == []
    assert scene.write(repository, PATHS) is None
    assert len(scene.warnings) == 1
    assert "is neither empty nor an OCI image layout" in scene.warnings[0]


def test_a_full_disk_while_it_is_read_is_told_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = scene.layout()
    scene.write(repository, PATHS)
    cache = scene.cache(repository)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("flakeship.caches.packs.fetched.FetchedPack.write", full)
    assert holds(cache, PATHS) == []
    assert len(scene.warnings) == 1
    assert "is not used any more: the disk is full" in scene.warnings[0]


def test_a_full_disk_ends_the_cache_and_nothing_else(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("flakeship.caches.packs.pack.Pack.add", full)
    assert scene.write(scene.layout(), PATHS) is None
    assert len(scene.warnings) == 1
    assert "no space left" in scene.warnings[0]
