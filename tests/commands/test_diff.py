"""`flakeship diff`: images wherever they are, compared by their documents; a layer is read only if nothing else tells what it holds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from flakeship import events
from flakeship.commands.diff.command import run
from flakeship.errors import BuildError, Error, NotAllowedError, NotAnImageError, UnreachableError, UsageError
from flakeship.settings.declaration import Settings
from tests.runtimes import runtime
from tests.sources.layouts import Layout
from tests.testbed import archives
from tests.testbed.registry_memory import MemoryRegistry, basic_registry, registry
from tests.testbed.store_images import image_folder, paths_of, store_image

__all__ = ["basic_registry", "registry"]

OLD = [["busybox-1.36"], ["openssl-3.0.8", "openssl-3.0.8-bin"], ["app-1.0"]]
NEW = [["busybox-1.36"], ["openssl-3.0.14", "openssl-3.0.14-bin"], ["app-1.0", "curl-8.5.0"]]
Print: TypeAlias = Callable[..., str]


def groups(names: list[list[str]]) -> list[list[str]]:
    return [paths_of(*each) for each in names]


@pytest.fixture
def told() -> list[events.Event]:
    return []


@pytest.fixture
def printed(tmp_path: Path, told: list[events.Event]) -> Print:
    """`printed(old, new, …)` is what the command prints, in a folder with the images `old` and `new`."""
    image_folder(tmp_path / "old", *groups(OLD))
    image_folder(tmp_path / "new", *groups(NEW))

    def run_(old: str, new: str, **inputs: Any) -> str:
        machine, heard = runtime(tmp_path, {"PATH": "/nowhere"})
        try:
            return run(Settings(image=old, newer=new, **inputs), machine)
        finally:
            told.extend(heard)

    return run_


def pushed(folder: Path, registry: MemoryRegistry) -> str:
    """NAME:1 of a layout in the registry, by its documents and blobs."""
    repository = registry.new_repository()
    index = json.loads((folder / "index.json").read_text())
    for file in (folder / "blobs/sha256").iterdir():
        registry.blobs[repository, f"sha256:{file.name}"] = file.read_bytes()
        document = json.loads(file.read_bytes()) if file.read_bytes().startswith(b"{") else {}
        if "mediaType" in document:
            registry.manifests[repository, f"sha256:{file.name}"] = (
                document["mediaType"],
                file.read_bytes(),
            )
    first = index["manifests"][0]
    registry.manifests[repository, "1"] = registry.manifests[repository, first["digest"]]
    return f"{registry.host}/{repository}:1"


def test_two_images_in_a_registry_are_compared_by_four_documents(
    printed: Print, registry: MemoryRegistry, tmp_path: Path
) -> None:
    text = printed("./old", "./new")
    assert "    openssl  3.0.8 → 3.0.14" in text
    assert "  + curl     8.5.0" in text
    assert "packages: 1 changed, 1 added\n" in text
    names = [pushed(tmp_path / each, registry) for each in ("old", "new")]
    begun = len(registry.accesses())
    by_registry = printed(*names)
    assert by_registry.splitlines()[3:] == text.splitlines()[3:]
    assert (
        len([each for each in registry.accesses()[begun:] if "/v2/" in each.path and len(each.path) > 4]) == 4
    )
    document = json.loads(printed(names[0], "./new", json=True))["platforms"][0]
    assert [change["name"] for change in document["packages"]] == ["curl", "openssl"]
    assert document["layers"]["shared"]["layers"] == 1
    again = printed(names[1], names[1])
    assert again.splitlines()[3:] == ["no difference: both are the same image"]


def test_layers_are_read_only_if_no_history_tells(
    printed: Print, registry: MemoryRegistry, tmp_path: Path, told: list[events.Event]
) -> None:
    """The layer that both have is not."""
    for name, layers in (("silent-old", OLD), ("silent-new", NEW)):
        image_folder(tmp_path / name, *groups(layers), history=False)
    names = [pushed(tmp_path / each, registry) for each in ("silent-old", "silent-new")]
    begun = len(registry.accesses())
    text = printed(*names)
    assert "packages: 1 changed, 1 added\n" in text
    read = {each.path for each in registry.accesses()[begun:] if "/blobs/" in each.path}
    assert len(read) == 2 + 4, "two configs, and of six layers the four that differ"
    notices = [each.text for each in told if isinstance(each, events.Notice)]
    assert [text.partition(" of ")[0] for text in notices] == ["2 layers", "2 layers"]
    assert printed("./old", names[1]).splitlines()[3:] == text.splitlines()[3:], (
        "one tells, the other is read"
    )


def test_each_platform_that_both_have_is_compared(printed: Print, tmp_path: Path) -> None:
    for name, layers in (("two", OLD), ("other", NEW)):
        layout = Layout()
        extra = "arm64" if name == "two" else "riscv64"
        entries = [
            store_image(
                layout, *groups(layers), architecture=each, platform={"os": "linux", "architecture": each}
            )
            for each in ("amd64", "s390x", extra)
        ]
        layout.listing(layout.index_of(*entries)).folder(tmp_path / name)
    text = printed("./two", "./other")
    assert text.count("openssl  3.0.8 → 3.0.14") == 2
    assert "     linux/s390x" in text
    assert text.splitlines()[-3:] == ["only in ./two: linux/arm64", "", "only in ./other: linux/riscv64"]
    assert "s390x" not in printed("./two", "./other", platforms=("linux/amd64",))
    assert "openssl  3.0.8 → 3.0.14" in printed("./old", "./other")


def test_an_image_that_nix_did_not_make_has_layers_and_settings(printed: Print, tmp_path: Path) -> None:
    one, two = Layout(), Layout()
    one.listing(one.image("a", "b", runtime={"User": "x"})).folder(tmp_path / "one")
    two.listing(two.image("a", "c", runtime={"User": "y"})).folder(tmp_path / "two")
    lines = printed("./one", "./two").splitlines()
    assert lines[3] == "no store path is in either image, so no packages are compared"
    assert lines[4].startswith("layers: 1 new (")
    assert lines[-1] == "    user: x → y"
    mixed = printed("./one", "./new").splitlines()
    assert mixed[3] == "no store path is in ./one"
    assert mixed[4] == "packages: 4 added"


def test_an_image_that_differs_in_what_is_not_compared_is_not_called_the_same(
    printed: Print, tmp_path: Path
) -> None:
    image_folder(tmp_path / "silent", *groups(OLD), history=False)
    lines = printed("./old", "./silent").splitlines()[3:]
    assert lines == [
        "no difference in packages, layers and settings",
        "the digests differ by something that is not compared, such as the history",
    ]


def test_one_image_in_two_indexes_is_the_same_image_and_not_the_same_index(
    printed: Print, tmp_path: Path
) -> None:
    for number in "12":
        layout = Layout()
        found = store_image(layout, *groups(OLD), platform={"os": "linux", "architecture": "amd64"})
        index = layout.index_of(found)
        document = json.loads(layout.blobs[index["digest"]]) | {"annotations": {"x": number}}
        layout.listing(layout.json(document, index["mediaType"])).folder(tmp_path / f"index{number}")
    same = "no difference: both are the same image"
    assert printed("./index1", "./index1").splitlines()[3:] == [same]
    assert printed("./index1", "./index2").splitlines()[3:] == [same, "the indexes that list it differ"]
    assert printed("./old", "./index2").splitlines()[3:] == [same, "only one of the two is in an index"]


def test_an_archive_is_compared_with_a_layout_by_its_tars(printed: Print, tmp_path: Path) -> None:
    archives.write_all(tmp_path / "in")
    shutil.copy(tmp_path / "in/layered.tar", tmp_path / "same.tar")
    text = printed("in/layered.tar", "same.tar")
    assert "no difference in packages, layers and settings" in text
    assert "all 3 shared" not in text


def test_one_of_several_images_is_named_by_the_operand(printed: Print, tmp_path: Path) -> None:
    archives.write_all(tmp_path / "in")
    with pytest.raises(Error) as caught:
        printed("./old", "in/merge-docker-images")
    assert "in/merge-docker-images: the archive holds 2 images" in caught.value.message
    assert "`docker-archive:FILE:NAME`" in caught.value.hint
    one, two = (
        f"docker-archive:in/merge-docker-images:registry.example/{name}" for name in ("one:1", "two:2")
    )
    assert "no difference" in printed(one, two)


def test_an_image_that_may_not_be_read_is_not_called_missing(
    printed: Print, basic_registry: MemoryRegistry, tmp_path: Path
) -> None:
    name = pushed(tmp_path / "old", basic_registry)
    for pair in ((name, "./new"), ("./new", name)):
        with pytest.raises(NotAllowedError) as caught:
            printed(*pair)
        assert name.partition("/")[2].partition(":")[0] in caught.value.message
        assert caught.value.hint


@pytest.mark.parametrize(
    ("old", "new", "kind", "words"),
    [
        ("", "", UsageError, "`diff` needs two images, and none is named"),
        ("./old", "", UsageError, "and the newer one is missing"),
        ("./gone", "./new", UsageError, "there is nothing at"),
        ("./old", "./gone", UsageError, "there is nothing at"),
        ("./old", "./text", NotAnImageError, ""),
        ("./old", "./list.json", UsageError, "can't be read as an SBOM"),
        ("./old", "./spdx.json", UsageError, "is an SBOM in SPDX, which is not read"),
        ("./old", "./arm", UsageError, "./old is for linux/amd64, and ./arm is for linux/arm64: no platform is in both"),
        ("./old", "UPPER/x:1:2", UsageError, ""),
        ("{registry}/nowhere:1", "./new", UsageError, "there is no image"),
        ("127.0.0.1:1/nowhere:1", "./new", UnreachableError, ""),
        ("./old", ".#image", BuildError, ""),
        ("./old", "./artifact", NotAnImageError, ""),
        ("./old", "/nix/store/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a-gone-1", UsageError, "is not in the store of this machine"),
        ("./old", "./damaged", NotAnImageError, ""),
    ],
)  # fmt: skip
def test_what_can_not_be_compared(
    old: str,
    new: str,
    kind: type[Error],
    words: str,
    *,
    printed: Print,
    registry: MemoryRegistry,
    tmp_path: Path,
) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "list.json").write_text('{"bomFormat": "CycloneDX"}')
    (tmp_path / "spdx.json").write_text('{"spdxVersion": "SPDX-2.3"}')
    image_folder(tmp_path / "arm", *groups(OLD), architecture="arm64")
    artifact = Layout()
    artifact.listing(artifact.json({"schemaVersion": 2, "artifactType": "x/y", "layers": [], "config": artifact.blob(b"{}", "application/vnd.oci.empty.v1+json")}, "application/vnd.oci.image.manifest.v1+json"))  # fmt: skip
    artifact.folder(tmp_path / "artifact")
    image_folder(tmp_path / "damaged", *groups(OLD))
    for blob in (tmp_path / "damaged/blobs/sha256").iterdir():
        blob.write_bytes(b"{")
    with pytest.raises(kind) as caught:
        printed(old.format(registry=registry.host), new)
    assert words in caught.value.message
    assert caught.value.hint
