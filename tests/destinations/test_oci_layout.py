"""Image layouts: valid, read by others, shared, healed, and never half written."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from flakeship.destinations.archive import file as archive_writer
from flakeship.destinations.archive.file import ArchiveDestination
from flakeship.destinations.oci_layout import folder as layout_writer
from flakeship.destinations.oci_layout.destination import LayoutDestination
from flakeship.destinations.protocol import BlobsUnknownError, Published
from flakeship.errors import RejectedError, ResourceError, UsageError
from flakeship.image.compress import Algorithm
from flakeship.image.index import seal_index
from flakeship.image.layout import REF_NAME
from flakeship.image.model import Packed
from flakeship.leftovers.locks import new_file
from tests.image.making import compression, made
from tests.image.schemas import errors
from tests.images import digests, packed_of, random_packed
from tests.testbed.archive_shapes import SHAPES


def write(packed: Packed, folder: Path, tag: str = "") -> Published:
    destination = LayoutDestination(folder, tag)
    destination.check()
    for layer in packed.layers:
        destination.take(layer)
    return destination.prepare(packed).finish()


def tags(folder: Path) -> list[str]:
    index = json.loads((folder / "index.json").read_text())
    return [entry["annotations"][REF_NAME] for entry in index["manifests"]]


def blobs(folder: Path) -> set[str]:
    return {f"sha256:{path.name}" for path in (folder / "blobs/sha256").iterdir()}


def run(*argv: str | Path) -> str:
    done = subprocess.run([str(word) for word in argv], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["layered", "buildImage", "nulls", "repeated diff_id", "empty layer"])
@pytest.mark.parametrize("algorithm", ["gzip", "zstd", "none"])
def test_other_tools_read_it(tmp_path: Path, shape: str, algorithm: Algorithm) -> None:
    (tmp_path / "archive").write_bytes(SHAPES[shape]())
    packed = made(tmp_path / "archive", tmp_path / "out", how=compression(algorithm))
    layout = tmp_path / "layout"
    write(packed, layout, "1.0")
    told = json.loads(run("skopeo", "inspect", f"oci:{layout}:1.0"))
    assert told["Digest"] == packed.descriptor.digest
    assert told["Layers"] == [layer.descriptor.digest for layer in packed.layers]
    run("skopeo", "copy", "--insecure-policy", f"oci:{layout}:1.0", f"dir:{tmp_path / 'copy'}")
    if algorithm == "gzip":  # Debian's umoci knows neither of the others
        run("umoci", "unpack", "--image", f"{layout}:1.0", tmp_path / "bundle")
        assert (tmp_path / "bundle/rootfs/etc/motd").read_text() == "customisation layer\n"


@pytest.mark.parametrize("shape", SHAPES)
def test_its_documents_are_valid(tmp_path: Path, shape: str) -> None:
    (tmp_path / "archive").write_bytes(SHAPES[shape]())
    write(made(tmp_path / "archive", tmp_path / "out"), tmp_path / "layout")
    assert errors("image-index", (tmp_path / "layout/index.json").read_bytes()) == []
    assert errors("image-layout", (tmp_path / "layout/oci-layout").read_bytes()) == []
    assert tags(tmp_path / "layout") == ["1.0"]


def test_what_is_published(tmp_path: Path) -> None:
    packed = random_packed(1)
    first = write(packed, tmp_path / "layout", "a")
    again = write(packed, tmp_path / "layout", "a")
    assert first.reference == f"oci:{tmp_path}/layout:a"
    assert first.digest == packed.descriptor.digest
    assert [blob.digest for blob in first.blobs] == digests(packed)
    assert [blob.state for blob in first.blobs] == ["written"] * 4
    assert [blob.state for blob in again.blobs] == ["reused"] * 3 + ["written"]
    assert all(
        path.stat().st_mode & 0o777 == 0o644 for path in (tmp_path / "layout").rglob("*") if path.is_file()
    )


def test_a_tag_moves_and_the_blobs_of_its_old_image_go(tmp_path: Path) -> None:
    old, new = random_packed(1), random_packed(2)
    write(old, tmp_path, "a")
    write(old, tmp_path, "b")
    write(new, tmp_path, "a")
    assert tags(tmp_path) == ["b", "a"]
    assert blobs(tmp_path) == {*digests(old), *digests(new), old.descriptor.digest, new.descriptor.digest}
    write(new, tmp_path, "b")
    assert blobs(tmp_path) == {*digests(new), new.descriptor.digest}


def test_a_damaged_blob_is_healed(tmp_path: Path) -> None:
    packed = random_packed(1)
    write(packed, tmp_path, "a")
    path = tmp_path / "blobs" / digests(packed)[0].replace(":", "/")
    path.write_bytes(b"x" * path.stat().st_size)
    assert write(packed, tmp_path, "a").blobs[0].state == "written"


def test_what_is_not_as_it_should_be_is_not_named(tmp_path: Path) -> None:
    good, layout = random_packed(1), tmp_path / "layout"
    destination = LayoutDestination(layout, "a")
    destination.check()
    for layer in good.layers:
        destination.take(layer)
    (layout / "blobs" / digests(good)[1].replace(":", "/")).write_bytes(b"other")
    with pytest.raises(RejectedError, match="has the digest"):
        destination.prepare(good).finish()
    assert not (layout / "index.json").exists()


def test_what_was_only_said_of_a_layer_is_no_reason_to_fail(tmp_path: Path) -> None:
    """It is made here then, and what is still wrong after that is an error."""
    one, two = random_packed(1).layers[:2]
    write(packed_of(one, two), tmp_path, "a")
    liar = replace(one, diff_id=two.diff_id, open=None)
    with pytest.raises(BlobsUnknownError) as caught:
        write(packed_of(liar, two), tmp_path, "a")
    assert caught.value.digests == {one.descriptor.digest}
    with pytest.raises(RejectedError, match="does not unpack to the diff_id"):
        write(packed_of(replace(liar, open=one.open), two), tmp_path, "a")


def test_a_run_that_was_cut_short_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "layout/blobs/sha256").mkdir(parents=True)
    (tmp_path / "layout/blobs/sha256/.half").write_bytes(b"x")
    write(random_packed(1), tmp_path / "layout", "a")
    assert tags(tmp_path / "layout") == ["a"]


def test_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(UsageError, match="is neither empty nor an OCI image layout") as caught:
        LayoutDestination(tmp_path).check()
    assert "oci:DIR" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    "index", ["", "[]", "{}", '{"manifests": 5}', '{"manifests": [5]}', '{"manifests": [{"digest": "../x"}]}',
              '{"manifests": [{"digest": "sha256:%s", "annotations": []}]}' % ("a" * 64 ) + " x"],
)  # fmt: skip
def test_an_index_that_can_not_be_read_is_not_overwritten(tmp_path: Path, index: str) -> None:
    (tmp_path / "oci-layout").write_text("{}")
    (tmp_path / "index.json").write_text(index)
    with pytest.raises(UsageError, match=r"index\.json is not the index of an OCI image layout") as caught:
        write(random_packed(1), tmp_path, "a")
    assert "remove this one" in caught.value.hint
    assert (tmp_path / "index.json").read_text() == index


def test_entries_of_others_stay(tmp_path: Path) -> None:
    """Without a name, of a manifest that is missing, or of one that leads to itself."""
    write(random_packed(1), tmp_path, "a")
    digest = "sha256:" + "a" * 64
    others = [{"digest": digest}, {"digest": digest, "annotations": None}]
    (tmp_path / "blobs/sha256" / ("a" * 64)).write_text(json.dumps({"manifests": [*others, 5], "layers": 7}))
    index = json.loads((tmp_path / "index.json").read_text())
    index["manifests"] += others
    (tmp_path / "index.json").write_text(json.dumps(index))
    write(random_packed(2), tmp_path, "a")
    assert json.loads((tmp_path / "index.json").read_text())["manifests"][:2] == others
    assert digest in blobs(tmp_path)


@pytest.mark.parametrize("name", ["", "localhost:5000/a", "a:b\n::set-output=c", "a:" + "x" * 200, "a:-x"])
def test_a_name_that_is_no_tag_is_not_taken_over(tmp_path: Path, name: str) -> None:
    packed = random_packed(1)
    object.__setattr__(packed.image, "names", (name,))
    assert write(packed, tmp_path).reference == f"oci:{tmp_path}:latest"


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match=r"can't write the image layout .*: Not a directory") as caught:
        LayoutDestination(tmp_path / "file").check()
    assert "can be written to" in caught.value.hint


@pytest.mark.slow
def test_the_disk_is_full(tmp_path: Path) -> None:
    assert os.geteuid() == 0, "only root can mount a small file system: run as root"
    tiny = tmp_path / "tiny"
    tiny.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tiny)
    try:
        with pytest.raises(ResourceError, match="No space left on device") as caught:
            write(random_packed(1, 3, size=700_000), tiny / "layout")
        assert "free some space" in caught.value.hint
        assert len(list((tiny / "layout/blobs/sha256").iterdir())) == 1
        assert not (tiny / "layout/index.json").exists()
    finally:
        run("umount", tiny)


def test_several_runs_at_once_lose_nothing(tmp_path: Path) -> None:
    """Each lists an image of its own, and moves a tag that all of them write."""
    images = [random_packed(number) for number in range(12)]

    def publish(number: int) -> None:
        for tag in (f"t{number}", "shared"):
            write(images[number], tmp_path, tag)

    with ThreadPoolExecutor(len(images)) as pool:
        list(pool.map(publish, range(len(images))))
    assert sorted(tags(tmp_path)) == sorted(["shared", *(f"t{number}" for number in range(len(images)))])
    assert blobs(tmp_path) == {
        digest for packed in images for digest in (*digests(packed), packed.descriptor.digest)
    }


def test_a_folder_is_looked_at_once_and_when_no_other_run_writes_there(tmp_path: Path) -> None:
    """Another run has written its first file, which by itself makes no layout, when this one comes."""
    layout, waits = tmp_path / "layout", threading.Event()
    layout.mkdir()
    with LayoutDestination(layout)._folder.locked(), ThreadPoolExecutor(1) as pool:
        (layout / "index.json").write_text('{"manifests": []}')
        begun = pool.submit(LayoutDestination(layout, emit=lambda _: waits.set()).check)
        assert waits.wait(10)
        (layout / "oci-layout").write_text("{}")
        fcntl.flock(_lock_of(layout), fcntl.LOCK_UN)
        begun.result(10)


def test_who_waited_for_a_run_that_removed_the_folder_locks_the_new_one(tmp_path: Path) -> None:
    """The lock of a folder that is gone keeps nobody out of the one that is made in its place."""
    layout, waits, goes_on = tmp_path / "layout", threading.Event(), threading.Event()
    layout.mkdir()

    def wait_for_it() -> None:
        with LayoutDestination(layout, emit=lambda _: waits.set())._folder.locked():
            goes_on.wait(10)
            handle = os.open(layout, os.O_RDONLY)
            with pytest.raises(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(handle)

    with ThreadPoolExecutor(1) as pool:
        with LayoutDestination(layout)._folder.locked():
            waiting = pool.submit(wait_for_it)
            assert waits.wait(10)
            layout.rmdir()
        goes_on.set()
        waiting.result(10)


def test_who_has_begun_in_a_folder_that_another_run_removes_locks_a_new_one(tmp_path: Path) -> None:
    """The other run had made it, and gives up."""
    layout = tmp_path / "layout"
    folder = layout_writer.LayoutFolder(layout, named="to: oci:DIR")
    folder.begin()
    layout_of_other(layout).give_up()
    assert not layout.exists()
    with folder.locked():
        handle = os.open(layout, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)


def layout_of_other(layout: Path) -> layout_writer.LayoutFolder:
    other = layout_writer.LayoutFolder(layout, named="to: oci:DIR")
    other._made = (layout,)
    return other


def _lock_of(folder: Path) -> int:
    """The handle by which this process has locked the folder: the first of those that lead there."""
    there = folder.stat()
    handles = sorted(int(path.name) for path in Path("/proc/self/fd").iterdir())
    return next(handle for handle in handles if _leads_to(handle, there))


def _leads_to(handle: int, there: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), there)
    except OSError:
        return False


@pytest.mark.slow
def test_several_runs_begin_one_layout_at_once(tmp_path: Path) -> None:
    images = [random_packed(number, 1, size=10) for number in range(4)]
    with ThreadPoolExecutor(len(images)) as pool:
        for turn in range(8):
            layout = tmp_path / f"{turn}/layout"
            list(
                pool.map(lambda number, layout=layout: write(images[number], layout, f"t{number}"), range(4))
            )
            assert sorted(tags(layout)) == ["t0", "t1", "t2", "t3"]


@pytest.mark.parametrize(
    ("number", "advised"),
    [
        (errno.EMFILE, "ulimit -n"),
        (errno.ENFILE, "fs.file-max"),
        (errno.EDQUOT, "free some space"),
        (errno.EACCES, "that can be written to"),
    ],
)
@pytest.mark.parametrize("kind", ["layout", "archive"])
def test_what_could_not_be_written_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, number: int, advised: str
) -> None:
    def refused(_: Path) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(layout_writer, "new_file", refused)
    monkeypatch.setattr(archive_writer, "new_file", refused)
    begin: dict[str, Callable[[], object]] = {
        "layout": lambda: write(random_packed(1, 1), tmp_path / "layout"),
        "archive": lambda: _to_archive(random_packed(1, 1), tmp_path / "image.tar"),
    }
    with pytest.raises(ResourceError, match=os.strerror(number)) as caught:
        begin[kind]()
    assert advised in caught.value.hint


def _to_archive(packed: Packed, path: Path) -> None:
    with ArchiveDestination(path, "docker-archive") as destination:
        destination.take(packed.layers[0])


def test_what_a_killed_run_was_writing_is_removed_by_the_next(tmp_path: Path) -> None:
    blobs_of = tmp_path / "blobs/sha256"
    blobs_of.mkdir(parents=True)
    killed, living = ([new_file(folder) for folder in (tmp_path, blobs_of)] for _ in range(2))
    for handle, _ in killed:
        os.close(handle)
    LayoutDestination(tmp_path).check()
    assert not any(path.exists() for _, path in killed)
    assert all(path.exists() for _, path in living)
    for handle, _ in living:
        os.close(handle)


def test_what_another_run_removes_before_the_name_is_written_is_asked_for(tmp_path: Path) -> None:
    """Nobody lists the image yet; its documents are written again, its layers have to come once more."""
    old, new = random_packed(1), random_packed(2)
    write(old, tmp_path, "1.0")
    destination = LayoutDestination(tmp_path, "2.0")
    for layer in old.layers:
        destination.take(layer)
    ready = destination.prepare(old)
    assert tags(tmp_path) == ["1.0"]
    write(new, tmp_path, "1.0")
    with pytest.raises(BlobsUnknownError) as caught:
        ready.finish()
    assert caught.value.digests == {layer.descriptor.digest for layer in old.layers}
    for layer in old.layers:
        destination.take(layer, certain=False)
    assert ready.finish().reference == f"oci:{tmp_path}:2.0"
    assert digests(old)[-1] in blobs(tmp_path)
    assert sorted(tags(tmp_path)) == ["1.0", "2.0"]


def test_a_layer_that_another_run_removed_meanwhile_is_asked_for(tmp_path: Path) -> None:
    old, new = random_packed(1), random_packed(2)
    write(old, tmp_path, "1.0")
    destination = LayoutDestination(tmp_path, "2.0")
    states = [destination.take(layer).state for layer in old.layers]
    assert set(states) == {"reused"}
    write(new, tmp_path, "1.0")
    with pytest.raises(BlobsUnknownError) as caught:
        destination.prepare(old).finish()
    assert caught.value.digests == {layer.descriptor.digest for layer in old.layers}
    for layer in old.layers:
        destination.take(layer, certain=False)
    destination.prepare(old).finish()
    assert sorted(tags(tmp_path)) == ["1.0", "2.0"]


def test_an_index_of_images_that_are_there(tmp_path: Path) -> None:
    images = [random_packed(seed) for seed in (51, 52)]
    for image in images:
        write(image, tmp_path, f"part-{image.descriptor.digest[7:11]}")
    index = seal_index([image.descriptor for image in images])
    published = LayoutDestination(tmp_path, "both").prepare_index(index).finish()
    assert published.digest == index.descriptor.digest
    assert tags(tmp_path)[-1] == "both"
    assert {index.descriptor.digest, *digests(images[0]), *digests(images[1])} <= blobs(tmp_path)


def test_an_index_of_an_image_that_is_not_there(tmp_path: Path) -> None:
    there, absent = random_packed(53), random_packed(54)
    write(there, tmp_path)
    destination = LayoutDestination(tmp_path, "both")
    with pytest.raises(UsageError, match=f"does not hold {absent.descriptor.digest}"):
        destination.prepare_index(seal_index([there.descriptor, absent.descriptor]))
    assert tags(tmp_path) == ["latest"]


@pytest.mark.parametrize("place", ["image", "out/deep/image"])
def test_a_layout_in_a_working_tree_is_seen_by_nobody(
    tmp_path: Path, git: Callable[..., str], place: str
) -> None:
    git(tmp_path, "init", "-q")
    write(random_packed(1), tmp_path / place)
    assert git(tmp_path, "status", "--porcelain", "--untracked-files=all") == ""
    git(tmp_path, "add", "-A")
    assert git(tmp_path, "ls-files") == ""


def test_a_layout_outside_of_every_repository_has_no_gitignore(tmp_path: Path) -> None:
    write(random_packed(1), tmp_path / "image")
    assert sorted(path.name for path in (tmp_path / "image").iterdir()) == [
        "blobs",
        "index.json",
        "oci-layout",
    ]


def test_a_layout_that_was_there_before_is_left_as_git_knows_it(
    tmp_path: Path, git: Callable[..., str]
) -> None:
    write(random_packed(1), tmp_path / "image")
    git(tmp_path, "init", "-q")
    write(random_packed(1), tmp_path / "image")
    assert not (tmp_path / "image/.gitignore").exists()


def test_a_gitignore_of_somebody_else_stays(tmp_path: Path, git: Callable[..., str]) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "image").mkdir()
    (tmp_path / "image/.gitignore").write_text("blobs\n")
    write(random_packed(1), tmp_path / "image")
    assert (tmp_path / "image/.gitignore").read_text() == "blobs\n"
