"""Archives as their readers see them: docker's and OCI's form, from layers of every compression, whole or not at all."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flakeship.destinations.archive.file import ArchiveDestination, OciArchiveDestination
from flakeship.destinations.archive.format import ArchiveFormat
from flakeship.destinations.image_name import ImageName
from flakeship.destinations.protocol import BlobsUnknownError, Published
from flakeship.errors import ResourceError, UsageError
from flakeship.image.check import check_image
from flakeship.image.index import seal_index
from flakeship.image.layout import CONTAINERD_NAME, REF_NAME, blob_path
from flakeship.image.model import Packed
from tests.images import digests, packed_of, random_layer, random_packed

NAME = ImageName("app:1.0", full="docker.io/library/app:1.0")


def write(destination: ArchiveDestination, packed: Packed) -> Published:
    with destination:
        destination.check()
        for layer in packed.layers:
            assert destination.take(layer).state == "written"
        return destination.prepare(packed).finish()


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = tar.getnames()
        assert len(names) == len(set(names)), "a member is there twice"
        return {name: tar.extractfile(name).read() for name in names}  # type: ignore[union-attr]


def document(found: dict[str, bytes], name: str) -> Any:
    return json.loads(found[name])


def test_a_docker_archive_is_a_layout_too(tmp_path: Path) -> None:
    packed = random_packed(1)
    published = write(ArchiveDestination(tmp_path / "x/image.tar", "docker-archive", (NAME,)), packed)
    found = members((tmp_path / "x/image.tar").read_bytes())
    assert document(found, "manifest.json") == [
        {
            "Config": blob_path(packed.config_descriptor.digest),
            "RepoTags": ["app:1.0"],
            "Layers": [blob_path(layer.descriptor.digest) for layer in packed.layers],
        }
    ]
    (entry,) = document(found, "index.json")["manifests"]
    assert entry["digest"] == packed.descriptor.digest
    assert entry["annotations"] == {REF_NAME: "1.0", CONTAINERD_NAME: "docker.io/library/app:1.0"}
    check_image(packed.descriptor, lambda digest: io.BytesIO(found[blob_path(digest)]))
    assert published.reference == f"docker-archive:{tmp_path}/x/image.tar:app:1.0"
    assert [blob.digest for blob in published.blobs] == digests(packed)
    assert (tmp_path / "x/image.tar").stat().st_mode & 0o777 == 0o644


def test_an_oci_archive_holds_a_layout_alone(tmp_path: Path) -> None:
    packed = random_packed(2)
    published = write(
        ArchiveDestination(tmp_path / "image.tar", "oci-archive", (ImageName.of("1.0"),)), packed
    )
    found = members((tmp_path / "image.tar").read_bytes())
    assert "manifest.json" not in found
    assert document(found, "oci-layout") == {"imageLayoutVersion": "1.0.0"}
    check_image(packed.descriptor, lambda digest: io.BytesIO(found[blob_path(digest)]))
    assert published.reference == f"oci-archive:{tmp_path}/image.tar:1.0"


def test_an_oci_archive_may_hold_several_platforms(tmp_path: Path) -> None:
    images = [random_packed(21), random_packed(22)]
    index = seal_index(images)
    with OciArchiveDestination(tmp_path / "image.tar", (ImageName.of("1.0"),)) as destination:
        destination.check()
        for image in images:
            for layer in image.layers:
                destination.take(layer)
        published = destination.prepare_index(index).finish()
    found = members((tmp_path / "image.tar").read_bytes())
    assert published.digest == index.descriptor.digest
    assert found[blob_path(index.descriptor.digest)] == index.manifest
    for image in images:
        check_image(image.descriptor, lambda digest: io.BytesIO(found[blob_path(digest)]))
    assert [blob.digest for blob in published.blobs] == [
        digest for image in images for digest in digests(image)
    ]


def test_an_archive_holds_every_image_that_its_index_lists(tmp_path: Path) -> None:
    absent = random_packed(23).descriptor
    with OciArchiveDestination(tmp_path / "image.tar") as destination:
        destination.check()
        with pytest.raises(UsageError, match=f"would not hold {absent.digest}") as caught:
            destination.prepare_index(seal_index([absent]))
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_without_a_name_the_image_keeps_its_own(tmp_path: Path) -> None:
    packed = random_packed(3)
    named = replace(packed, image=replace(packed.image, names=("registry.example/own:2",)))
    published = write(ArchiveDestination(tmp_path / "image.tar", "docker-archive"), named)
    assert published.reference.endswith("image.tar:registry.example/own:2")
    nameless = write(ArchiveDestination(tmp_path / "image.tar", "docker-archive"), packed)
    assert nameless.reference == f"docker-archive:{tmp_path}/image.tar"
    assert document(members((tmp_path / "image.tar").read_bytes()), "manifest.json")[0]["RepoTags"] is None


def test_a_layer_that_occurs_twice_is_there_once(tmp_path: Path) -> None:
    layer = random_layer(1)
    packed = packed_of(layer, random_layer(2), layer)
    write(ArchiveDestination(tmp_path / "image.tar", "docker-archive"), packed)
    found = members((tmp_path / "image.tar").read_bytes())
    assert len(document(found, "manifest.json")[0]["Layers"]) == 3


def test_stdout_gets_the_archive_and_stays_open() -> None:
    out, packed = io.BytesIO(), random_packed(4)
    published = write(ArchiveDestination(None, "docker-archive", (NAME,), stdout=out), packed)
    assert published.reference == "-"
    assert "manifest.json" in members(out.getvalue())


@pytest.mark.slow
@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_skopeo_copies_what_was_written(form: ArchiveFormat, tmp_path: Path) -> None:
    packed = random_packed(5)
    reference = write(ArchiveDestination(tmp_path / "image.tar", form, (NAME,)), packed).reference
    command = ["skopeo", "copy", "--quiet", reference, f"dir:{tmp_path}/copy"]
    subprocess.run(command, check=True, capture_output=True)
    config = json.loads((tmp_path / "copy/manifest.json").read_text())["config"]["digest"]
    assert config == packed.config_descriptor.digest


def test_what_is_not_finished_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_text("the one before")
    packed = random_packed(6)
    destination = ArchiveDestination(tmp_path / "image.tar", "docker-archive")
    with destination:
        destination.check()
        destination.take(packed.layers[0])
    assert [path.name for path in tmp_path.iterdir()] == ["image.tar"]
    assert (tmp_path / "image.tar").read_text() == "the one before"


def test_a_layer_that_is_nowhere_here_is_asked_for(tmp_path: Path) -> None:
    packed = random_packed(7)
    elsewhere = replace(packed.layers[1], open=None)
    with ArchiveDestination(tmp_path / "image.tar", "docker-archive") as destination:
        destination.check()
        destination.take(packed.layers[0])
        with pytest.raises(BlobsUnknownError) as caught:
            destination.take(elsewhere)
        assert caught.value.digests == {elsewhere.descriptor.digest}
        for layer in packed.layers:
            destination.take(layer, certain=False)
        destination.prepare(packed).finish()
    found = members((tmp_path / "image.tar").read_bytes())
    check_image(packed.descriptor, lambda digest: io.BytesIO(found[blob_path(digest)]))


def test_a_folder_a_terminal_and_a_file_in_the_way_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder") as folder:
        ArchiveDestination(tmp_path, "docker-archive").check()
    assert "image.tar" in folder.value.hint
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match="can't write the archive") as in_the_way:
        ArchiveDestination(tmp_path / "file/image.tar", "oci-archive").check()
    assert "folder that can be written to" in in_the_way.value.hint

    class Terminal(io.BytesIO):
        def isatty(self) -> bool:
            return True

    with pytest.raises(UsageError, match="terminal") as terminal:
        ArchiveDestination(None, "docker-archive", stdout=Terminal()).check()
    assert "docker load" in terminal.value.hint


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/null")])
def test_what_is_no_file_is_not_replaced_by_one(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "image.tar")
    before = (tmp_path / "image.tar").stat().st_mode
    with (
        pytest.raises(UsageError, match="a device or a pipe") as caught,
        ArchiveDestination(tmp_path / "image.tar", "docker-archive") as destination,
    ):
        destination.check()
    assert "`to: -` for stdout" in caught.value.hint
    assert (tmp_path / "image.tar").stat().st_mode == before
    assert [path.name for path in tmp_path.iterdir()] == ["image.tar"]


def test_what_a_link_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "link.tar").symlink_to("folder/image.tar")
    (tmp_path / "loop.tar").symlink_to("loop.tar")
    with ArchiveDestination(tmp_path / "link.tar", "docker-archive") as destination:
        write(destination, random_packed(1))
    assert (tmp_path / "link.tar").is_symlink()
    assert tarfile.is_tarfile(tmp_path / "folder/image.tar")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["image.tar"]
    with ArchiveDestination(tmp_path / "loop.tar", "docker-archive") as destination:
        write(destination, random_packed(1))
    assert tarfile.is_tarfile(tmp_path / "loop.tar")


def test_a_full_disk_and_a_blob_that_changed_say_so() -> None:
    packed = random_packed(8)

    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    with ArchiveDestination(None, "docker-archive", stdout=Full()) as destination:
        destination.check()
        with pytest.raises(ResourceError, match="to stdout: No space left") as full:
            destination.take(packed.layers[0])
        assert "free some space" in full.value.hint
    changed = replace(packed.layers[0], open=lambda: io.BytesIO(b"short"))
    with ArchiveDestination(None, "docker-archive", stdout=io.BytesIO()) as destination:
        destination.check()
        with pytest.raises(ResourceError, match="changed while it was written") as short:
            destination.take(changed)
        assert "run again" in short.value.hint
