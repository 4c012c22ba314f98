"""A cache in a folder of which half was restored, or whose disk was full: it is told once, and the next run finds all again."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flakeship.caches.packs.pruning import prune
from flakeship.caches.packs.repository import read_root
from flakeship.caches.place import Limits
from flakeship.image.document import encode as encode_json
from flakeship.image.model import digest_of
from tests.caches.packs.scene import BRANCH, MAIN, Scene, holds, some_paths

PATHS = some_paths(4)
MORE = some_paths(2, seed="more")
EVERY = {**PATHS, **MORE}

Harm = Callable[[Path], object]


def blobs(layout: Path) -> list[Path]:
    return sorted((layout / "blobs/sha256").iterdir())


def largest(layout: Path) -> Path:
    return max(blobs(layout), key=lambda path: path.stat().st_size)


def index(content: bytes) -> Harm:
    return lambda layout: (layout / "index.json").write_bytes(content)


def run(scene: Scene) -> tuple[int, list[str]]:
    """A run that needs all, and builds what it does not find; how much it found, and its warnings."""
    before, repository = len(scene.warnings), scene.layout()
    cache = scene.cache(repository)
    found = holds(cache, PATHS)
    assert not cache.unreachable, "and so what it builds is written"
    built = {info: nar for info, nar in PATHS.items() if info not in found}
    scene.write(repository, built, after=cache)
    cache.close()
    return len(found), scene.warnings[before:]


WITHOUT_LOSS: dict[str, Harm] = {
    "an empty index": index(b""),
    "half an index": lambda layout: index((layout / "index.json").read_bytes()[:60])(layout),
    "an index of zeros": index(bytes(300)),
    "an index that is no object": index(b"[]"),
    "an index that lists nothing": index(b"{}"),
    "an index of something else": index(b'{"manifests": [5]}'),
    "an index without end": index(b"[" * 100_000),
}


@pytest.mark.parametrize("harm", WITHOUT_LOSS.values(), ids=WITHOUT_LOSS)
def test_a_damaged_list_is_made_again_of_what_lies_there(scene: Scene, harm: Harm) -> None:
    scene.write(scene.layout(), PATHS)
    scene.write(scene.layout(), MORE, BRANCH)
    harm(scene.folder / "layout")
    found, warnings = run(scene)
    assert found == len(PATHS)
    assert len(warnings) == 1
    assert (
        f"the cache oci:{scene.folder}/layout is damaged: its index.json can't be read; 2 roots"
        in warnings[0]
    )
    assert run(scene) == (len(PATHS), [])
    assert sorted(scene.layout().tags()) == sorted([MAIN.tag, BRANCH.tag])


def empty_all(layout: Path) -> None:
    for blob in blobs(layout):
        blob.write_bytes(b"")
    index(b"")(layout)


def zero_all(layout: Path) -> None:
    for blob in blobs(layout):
        blob.write_bytes(bytes(blob.stat().st_size))
    index(bytes(300))(layout)


def halve(layout: Path) -> None:
    largest(layout).write_bytes(largest(layout).read_bytes()[:-1])
    index(b"")(layout)


def halve_manifest(layout: Path) -> None:
    for blob in blobs(layout):
        if blob.read_bytes().startswith(b"{"):
            blob.write_bytes(blob.read_bytes()[:-9])
    index(b"")(layout)


def lose_a_pack(layout: Path) -> None:
    largest(layout).unlink()
    index(b"")(layout)


def lose_all(layout: Path) -> None:
    shutil.rmtree(layout / "blobs")
    index(b"")(layout)


def lose_layout_too(layout: Path) -> None:
    (layout / "oci-layout").unlink()
    empty_all(layout)


@pytest.mark.parametrize(
    "harm", [empty_all, zero_all, halve, halve_manifest, lose_a_pack, lose_all, lose_layout_too]
)
def test_what_is_damaged_beside_its_list_begins_anew(scene: Scene, harm: Harm) -> None:
    scene.write(scene.layout(), PATHS)
    harm(scene.folder / "layout")
    found, warnings = run(scene)
    assert found == 0
    assert len(warnings) == 1
    assert "its index.json can't be read; the cache begins anew" in warnings[0]
    assert run(scene) == (len(PATHS), [])


@pytest.mark.parametrize("content", [None, b""])
def test_the_mark_of_a_layout_is_written_again(scene: Scene, content: bytes | None) -> None:
    """All else is there, so that nothing is lost, and nothing is told."""
    scene.write(scene.layout(), PATHS)
    mark = scene.folder / "layout/oci-layout"
    mark.unlink()
    if content is not None:
        mark.write_bytes(content)
    scene.write(scene.layout(), MORE)
    assert holds(scene.cache(scene.layout()), EVERY) == list(EVERY)
    assert json.loads(mark.read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert not scene.warnings


def image_in(layout: Path) -> None:
    content = encode_json({"schemaVersion": 2, "config": {}, "layers": []})
    (layout / "blobs/sha256" / digest_of(content).removeprefix("sha256:")).write_bytes(content)


def config_in(layout: Path) -> None:
    content = encode_json({"architecture": "amd64", "os": "linux", "rootfs": {}})
    (layout / "blobs/sha256" / digest_of(content).removeprefix("sha256:")).write_bytes(content)


def gzip_in(layout: Path) -> None:
    (layout / "blobs/sha256" / ("5" * 64)).write_bytes(b"\x1f\x8b\x08\x00")


def file_in(layout: Path) -> None:
    (layout / "notes.txt").touch()
    (layout / "oci-layout").unlink()


@pytest.mark.parametrize("other", [image_in, config_in, gzip_in, file_in])
def test_a_damaged_folder_with_something_of_others_is_left_as_it_is(scene: Scene, other: Harm) -> None:
    layout = scene.folder / "layout"
    scene.write(scene.layout(), PATHS)
    other(layout)
    if other is not file_in:
        index(b"")(layout)
    before = {path: path.read_bytes() for path in layout.rglob("*") if path.is_file()}
    scene.write(scene.layout(), MORE)
    assert len(scene.warnings) == 1
    assert f"not all of this build is kept in the cache oci:{layout}" in scene.warnings[0]
    assert {path: path.read_bytes() for path in layout.rglob("*") if path.is_file()} == before


def test_of_two_manifests_of_a_root_the_one_written_last_counts(scene: Scene) -> None:
    """A run was killed before it removed the other one."""
    layout, repository = scene.folder / "layout", scene.layout()
    scene.write(repository, PATHS)
    kept = {path: path.read_bytes() for path in blobs(layout)}
    scene.write(repository, MORE)
    newest = read_root(repository, MAIN.tag)
    for path, content in kept.items():
        path.write_bytes(content)
        os.utime(path, (1, 1))
    index(b"")(layout)
    assert read_root(scene.layout(), MAIN.tag) == newest


def test_pruning_a_damaged_folder_removes_what_nothing_lists(scene: Scene) -> None:
    layout = scene.folder / "layout"
    scene.write(scene.layout(), PATHS)
    lose_a_pack(layout)
    for path in blobs(layout):
        os.utime(path, (1, 1))
    repository = scene.layout()
    prune(
        repository,
        limits=Limits(),
        folder=scene.folder,
        now=scene.now,
        remove=repository.delete,
        emit=scene.events.append,
    )
    assert len(scene.warnings) == 1
    assert blobs(layout) == []


@pytest.mark.parametrize("seconds", [0, 315532800, 4102444800])
def test_dates_of_files_say_nothing_of_what_is_used(scene: Scene, seconds: int) -> None:
    """A restored file may have the date of 1980, of its restoring, or of nothing."""
    scene.write(scene.layout(), PATHS)
    for path in (scene.folder / "layout").rglob("*"):
        os.utime(path, (seconds, seconds))
    assert run(scene) == (len(PATHS), [])
    repository = scene.layout()
    prune(
        repository,
        limits=Limits(),
        folder=scene.folder,
        now=scene.now,
        remove=repository.delete,
        emit=scene.events.append,
    )
    assert run(scene) == (len(PATHS), [])


def test_a_file_system_without_locks_will_do(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert run(scene) == (0, [])
    assert run(scene) == (len(PATHS), [])


def test_a_file_in_place_of_the_folder_is_told_once(scene: Scene) -> None:
    (scene.folder / "layout").write_bytes(b"precious")
    found, warnings = run(scene)
    assert found == 0
    assert len(warnings) == 1
    assert f"not all of this build is kept in the cache oci:{scene.folder}/layout" in warnings[0]
    assert (scene.folder / "layout").read_bytes() == b"precious"


def test_a_folder_that_can_only_be_read_is_read(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's answer is imitated: to root a folder's mode says nothing."""
    scene.write(scene.layout(), PATHS)

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("flakeship.leftovers.locks.tempfile.mkstemp", lambda *_, **__: refuse())
    cache = scene.cache(scene.layout())
    assert holds(cache, EVERY) == list(PATHS)
    monkeypatch.undo()
    monkeypatch.setattr("flakeship.destinations.oci_layout.folder.check_writable", refuse)
    scene.write(scene.layout(), MORE, after=cache)
    assert len(scene.warnings) == 1
    assert "Read-only file system" in scene.warnings[0]
