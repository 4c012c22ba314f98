"""`verify` reads layers that anybody may have written: none costs more than its size, and none is said to be compared that was not."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc

import pytest
import zstandard

from flakeship.attest.artifact import CYCLONEDX, Artifact, manifest_of
from flakeship.commands.verify import images
from flakeship.image.document import decode_object, encode
from flakeship.image.model import Descriptor, Digest
from tests.commands.verify.scene import PATHS, Scene, cyclonedx, lines, sboms, store_tar
from tests.commands.verify.test_verify import put, put_blob, relist
from tests.commands.verify.test_verify import scene as scene  # noqa: PLC0414  a fixture
from tests.sources.layouts import CONFIG, GZIP, MANIFEST, sha256

pytestmark = pytest.mark.slow


def image_of(scene: Scene, *tars: bytes, zstd: bool = False) -> str:
    """Write an image of these layers under the tag `odd`, and return its digest."""
    kind = "application/vnd.oci.image.layer.v1.tar+zstd" if zstd else GZIP
    pack = zstandard.compress if zstd else gzip.compress
    rootfs = {"type": "layers", "diff_ids": [sha256(tar) for tar in tars]}
    config = {"os": "linux", "architecture": "amd64", "config": {}, "rootfs": rootfs}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": put_blob(scene, encode(config), CONFIG),
        "layers": [put_blob(scene, pack(tar), kind) for tar in tars],
    }
    return put(scene, manifest, "odd")


def attach_sbom(scene: Scene, digest: str, *paths: str, data: bytes = b"") -> None:
    subject = Descriptor(MANIFEST, Digest(digest), 1)
    artifact = Artifact(kind="sbom", subject=subject, artifact_type=CYCLONEDX, data=data or cyclonedx(paths))
    made = manifest_of(artifact)
    for entry, content in made.blobs:
        put_blob(scene, content, entry.media_type)
    put(scene, decode_object(made.data))
    relist(scene, digest, [made.descriptor.to_json()])


def test_an_sbom_may_say_itself_what_it_was_not_made_of(scene: Scene) -> None:
    """As that of an image on a base image, of whose layers nothing tells. What it names must be there all the same."""
    first, second, third = PATHS["amd64"]
    digest = image_of(scene, store_tar(first), store_tar(second))
    for stated, state in ((first, "warning"), (third, "error")):
        said = {
            **decode_object(cyclonedx([stated])),
            "metadata": {"properties": [{"name": "flakeship:layers-unread", "value": "1"}]},
        }
        attach_sbom(scene, digest, data=encode(said))
        (found,) = (each for each in scene.verify(":odd", key="").findings if each.what == "sbom")
        assert found.state == state, found


@pytest.mark.parametrize(
    ("stated", "state"), [("abx", "error"), ("ab", "warning"), ("b", "warning"), ("a", "ok")]
)
def test_an_sbom_may_name_what_a_layer_removes_that_it_was_not_made_of(
    stated: str, state: str, scene: Scene
) -> None:
    """As that of an image of Nix on which a Dockerfile builds; and what no layer ever held it may not name."""
    paths = {letter: f"/nix/store/{letter * 32}-{letter}-1.0" for letter in "abx"}
    digest = image_of(
        scene, store_tar(paths["a"], paths["b"]), store_tar(f"/nix/store/.wh.{paths['b'][11:]}")
    )
    said = {
        **decode_object(cyclonedx([paths[letter] for letter in stated])),
        "metadata": {"properties": [{"name": "flakeship:layers-unread", "value": "1"}]},
    }
    attach_sbom(scene, digest, data=encode(said))
    (found,) = (each for each in scene.verify(":odd", key="").findings if each.what == "sbom")
    assert found.state == state, found


def header(flag: bytes, size: int, name: str = "x") -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = flag, size
    return member.tobuf(tarfile.GNU_FORMAT)


FILE = header(b"0", 0) + bytes(1024)
LONG_NAME = header(b"L", 40 << 20) + bytes(40 << 20) + FILE
"""40 MB, which are 40 kB in the layer."""
MANY_NAMES = (header(b"x", 512) + b"11 path=abc\n".ljust(512, b"\0")) * 2000 + FILE
"""More than Python nests calls."""


@pytest.mark.parametrize("tar", [LONG_NAME, MANY_NAMES], ids=["a long name", "many names"])
def test_no_layer_fills_the_memory(scene: Scene, tar: bytes) -> None:
    image_of(scene, tar)
    tracemalloc.start()
    try:
        found = scene.verify(":odd", key="")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert not found.errors, lines(found)
    assert peak < 30 << 20


def test_a_layer_that_is_made_to_fill_a_disk_is_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "_UNPACKED", (2_000, 1 << 20))
    image_of(scene, header(b"0", 1 << 40) + bytes(40 << 20), zstd=True)
    (error,) = scene.verify(":odd", key="").errors
    assert "unpacks to more than 2,000 times that" in error.text


def test_an_sbom_of_another_program_is_not_compared(scene: Scene) -> None:
    """It names no store path, so it can be neither right nor wrong about them."""
    scene.publish("amd64", making=lambda packed: sboms(packed, lambda _: ()))
    found = scene.verify()
    assert found.verified, lines(found)
    assert any("sbom warning" in line and "names no store path" in line for line in lines(found))


def test_an_sbom_is_not_said_to_be_right_of_a_layer_that_can_not_be_listed(scene: Scene) -> None:
    """Who unpacks it may find what stands behind the damaged header."""
    first, second, _ = PATHS["amd64"]
    digest = image_of(scene, store_tar(first)[:-8192] + b"damaged".ljust(512) + store_tar(second))
    attach_sbom(scene, digest, first)
    found = scene.verify(":odd", key="")
    assert [line for line in lines(found) if line.startswith("sbom warning") and "can't be compared" in line]


@pytest.mark.parametrize(
    "name",
    [
        "nix/store/.wh.{}",
        *(pytest.param(name, marks=pytest.mark.long) for name in ("nix/.wh.store", ".wh.nix")),
        "nix/store/.wh..wh..opq",
    ],
)
def test_what_a_layer_removes_is_not_in_the_image(scene: Scene, name: str) -> None:
    first, second, _ = PATHS["amd64"]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(name.format(first.rpartition("/")[2])))
        tar.addfile(tarfile.TarInfo(f"{second[1:]}/data"))
    digest = image_of(scene, store_tar(first), buffer.getvalue())
    attach_sbom(scene, digest, second)
    found = scene.verify(":odd", key="")
    assert any("names the one store path of linux/amd64, and no other" in line for line in lines(found)), (
        lines(found)
    )
