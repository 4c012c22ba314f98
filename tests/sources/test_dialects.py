"""One image, packed by each writer of tar there is in each of its dialects: read, it is the same image."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias

import pytest

from tests.image.making import WRAPS, made
from tests.sources.layouts import REF_NAME, Layout, layer_tar, sha256
from tests.testbed.archive_shapes import config_of
from tests.testbed.archives import BUSYBOX

pytestmark = pytest.mark.slow  # they start programs

Write: TypeAlias = Callable[[Path, Path], object]
"""Packs all that is in the folder into the file."""

SEEDS: Final = range(2)


def run(*argv: str | Path, cwd: Path | None = None) -> None:
    subprocess.run([*map(str, argv)], cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def gnu(*options: str, folder: str = ".") -> Write:
    def write(tree: Path, file: Path) -> None:
        names = sorted(path.name for path in tree.iterdir()) if folder != "." else ["."]
        run("tar", "--create", *options, "--directory", tree, "--file", file, *names)

    return write


def python(style: Literal[0, 1, 2]) -> Write:
    def write(tree: Path, file: Path) -> None:
        with tarfile.open(file, "w", format=style) as tar:
            for path in sorted(tree.rglob("*")):
                tar.add(path, path.relative_to(tree), recursive=False)

    return write


def busybox(tree: Path, file: Path) -> None:
    run(BUSYBOX, "tar", "-c", "-f", file, "-C", tree, ".")


def bsdtar(style: str) -> Write:
    return lambda tree, file: run("bsdtar", "--format", style, "-c", "-f", file, "-C", tree, ".")


WRITERS: Final[Mapping[str, Write]] = {
    **{f"GNU {style}": gnu(f"--format={style}") for style in ("v7", "oldgnu", "gnu", "ustar", "posix")},
    "GNU gnu, sparse": gnu("--format=gnu", "--sparse", "--hole-detection=raw"),
    "GNU posix, sparse": gnu("--format=posix", "--sparse", "--hole-detection=raw"),
    "GNU with a label": gnu("--label=image of today"),
    "GNU posix with a label": gnu("--format=posix", "--label=image of today"),
    "GNU incremental": gnu("--incremental"),
    "GNU, owner of large numbers": gnu("--owner=a:4294967295", "--group=a:4294967295", "--mtime=@-1"),
    "GNU, times": gnu("--format=posix", "--pax-option=globexthdr.name=g,comment=hello"),
    "GNU, names without a dot": gnu(folder=""),
    "GNU, one block a record": gnu("--blocking-factor=1"),
    "Python ustar": python(tarfile.USTAR_FORMAT),
    "Python GNU": python(tarfile.GNU_FORMAT),
    "Python pax": python(tarfile.PAX_FORMAT),
    "busybox": busybox,
}
BSDTAR: Final[Mapping[str, Write]] = {
    f"bsdtar {style}": bsdtar(style) for style in ("ustar", "pax", "gnutar", "v7tar")
}
SHORT: Final = frozenset({"GNU v7", "bsdtar v7tar", "busybox", "GNU ustar", "bsdtar ustar"})
"""Writers of names, or of targets of links, of at most 100 bytes."""


def layer(random_: random.Random) -> bytes:
    """A tar with a hole, and with bytes that are no text."""
    hole = bytes(random_.choice([0, 100, 9000, 70_000]))
    return layer_tar("".join(map(chr, random_.choices(range(32, 900), k=300))) + hole.decode())


def docker_tree(tree: Path, random_: random.Random, *, short: bool) -> list[str]:
    """What `docker load` reads, with names and links as random as they may be. Returns the diff_ids."""
    layers = [layer(random_) for _ in range(random_.randint(1, 4))]
    layers += [random_.choice(layers)] * random_.randint(0, 2)
    paths: list[str] = []
    first: dict[bytes, Path] = {}
    for number, data in enumerate(layers):
        deep = (
            "" if short else random_.choice(["", "d" * 60 + "/", "d" * 120 + "/", "\u00e9\u4e16" * 20 + "/"])
        )
        name = f"{deep}{number}/layer.tar"
        path = tree / name
        path.parent.mkdir(parents=True)
        paths.append(name)
        before = first.setdefault(data, path)
        match random_.choice(["hard", "symbolic", "folder", "copy"]) if before != path else "file":
            case "hard":
                path.hardlink_to(before)
            case "symbolic":
                path.symlink_to(os.path.relpath(before, path.parent))
            case "folder":
                path.parent.rmdir()
                path.parent.symlink_to(os.path.relpath(before.parent, path.parent.parent))
            case _:
                write_with_holes(path, data)
    config = json.dumps(config_of(layers)).encode()
    (tree / "config.json").write_bytes(config)
    entry = {"Config": "config.json", "RepoTags": ["example.org/app:1"], "Layers": paths}
    (tree / "manifest.json").write_text(json.dumps([entry]))
    return [sha256(data) for data in layers]


def write_with_holes(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        for place in range(0, len(data), 4096):
            if any(piece := data[place : place + 4096]):
                file.seek(place)
                file.write(piece)
        file.truncate(len(data))


def layout_tree(tree: Path, random_: random.Random) -> list[str]:
    """An image layout whose blobs may be links to a store of blobs beside it. Returns the digests of its layers."""
    layout = Layout()
    wrap = random_.choice([bytes, lambda tar: gzip.compress(tar, 9, mtime=0)])
    texts = [str(random_.random()) for _ in range(random_.randint(1, 4))]
    layout.listing(layout.image(*texts, wrap=wrap)).folder(tree)
    store = tree / "store"
    store.mkdir()
    for blob in sorted((tree / "blobs/sha256").iterdir()):
        match random_.choice(["hard", "symbolic", "file"]):
            case "hard":
                (store / blob.name).hardlink_to(blob)
            case "symbolic":
                blob.rename(store / blob.name)
                blob.symlink_to(f"../../store/{blob.name}")
            case _:
                pass
    if random_.random() < 0.3:
        (tree / "blobs").rename(store / "blobs")
        for blob in (store / "blobs/sha256").iterdir():
            if blob.is_symlink():
                blob.unlink()
                blob.symlink_to(f"../../{blob.name}")
        (tree / "blobs").symlink_to("store/blobs")
    return [sha256(layer_tar(text)) for text in texts]


def without_mark(file: Path) -> None:
    """Drop the mark at the end and what follows it."""
    with tarfile.open(file) as tar:
        tar.getmembers()
        os.truncate(file, tar.offset)


def check_docker(tmp_path: Path, name: str, write: Write) -> None:
    for seed in SEEDS:
        random_ = random.Random(f"{name} {seed}")
        work = tmp_path / str(seed)
        (work / "tree").mkdir(parents=True)
        diff_ids = docker_tree(work / "tree", random_, short=name in SHORT)
        write(work / "tree", work / "image.tar")
        manifests = set()
        for wrap in WRAPS:
            (work / "wrapped").write_bytes(WRAPS[wrap]((work / "image.tar").read_bytes()))
            packed = made(work / "wrapped", work / "out")
            assert [found.diff_id for found in packed.layers] == diff_ids
            manifests.add(packed.manifest)
        without_mark(work / "image.tar")
        manifests.add(made(work / "image.tar", work / "out").manifest)
        assert len(manifests) == 1


def check_layout(tmp_path: Path, name: str, write: Write) -> None:
    for seed in SEEDS:
        random_ = random.Random(f"{name} {seed}")
        work = tmp_path / str(seed)
        (work / "tree").mkdir(parents=True)
        diff_ids = layout_tree(work / "tree", random_)
        folder = made(work / "tree", work / "out").manifest
        write(work / "tree", work / "image.tar")
        packed = made(work / "image.tar", work / "out")
        assert [found.diff_id for found in packed.layers] == diff_ids
        (work / "in-folder").mkdir()
        (work / "tree").rename(work / "in-folder/image")
        write(work / "in-folder", work / "nested.tar")
        without_mark(work / "image.tar")
        (work / "nested.tar.gz").write_bytes(gzip.compress((work / "nested.tar").read_bytes(), 1))
        for file in ("image.tar", "nested.tar", "nested.tar.gz"):
            assert made(work / file, work / "out").manifest == packed.manifest == folder


@pytest.mark.parametrize("name", WRITERS)
def test_an_archive_of_docker(tmp_path: Path, name: str) -> None:
    check_docker(tmp_path, name, WRITERS[name])


@pytest.mark.parametrize("name", WRITERS)
def test_an_image_layout(tmp_path: Path, name: str) -> None:
    check_layout(tmp_path, name, WRITERS[name])


@pytest.mark.parametrize("name", BSDTAR)
def test_what_bsdtar_writes(tmp_path: Path, name: str) -> None:
    check_docker(tmp_path / "docker", name, BSDTAR[name])
    check_layout(tmp_path / "layout", name, BSDTAR[name])


def test_what_programs_in_go_write(tmp_path: Path) -> None:
    """skopeo from a layout to each of its formats, umoci from a tar."""
    layout = Layout()
    tars = [layer_tar(text) for text in ("one", "two", "one")]
    entry = layout.image("one", "two", "one", annotations={REF_NAME: "1"})
    layout.listing(entry).folder(tmp_path / "layout")
    source = f"oci:{tmp_path}/layout:1"
    (tmp_path / "layer").write_bytes(tars[0])
    for target in ("oci-archive:a.tar:1", "docker-archive:d.tar:example.org/app:1", "dir:dir", "oci:oci:1"):
        run("skopeo", "--insecure-policy", "copy", source, target, cwd=tmp_path)
    config = json.loads(made(tmp_path / "layout", tmp_path / "out").config)
    for name in ("a.tar", "d.tar", "dir", "oci"):
        packed = made(tmp_path / name, tmp_path / "out")
        assert [found.diff_id for found in packed.layers] == list(map(sha256, tars))
        assert json.loads(packed.config)["config"] == config["config"]
    run("umoci", "init", "--layout", tmp_path / "umoci")
    run("umoci", "new", "--image", f"{tmp_path}/umoci:1")
    run("umoci", "raw", "add-layer", "--image", f"{tmp_path}/umoci:1", tmp_path / "layer")
    assert [found.diff_id for found in made(tmp_path / "umoci", tmp_path / "out").layers] == [sha256(tars[0])]


def test_a_layer_that_is_cut_between_two_members_is_refused(tmp_path: Path) -> None:
    """What lacks the mark at its end may be cut off; the digest of a layer tells."""
    from flakeship.errors import NotAnImageError

    whole = layer_tar("one") + layer_tar("two")
    cut = layer_tar("one").rstrip(b"\0")
    cut += bytes(-len(cut) % 512)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "layer.tar").write_bytes(cut)
    (tree / "config.json").write_text(json.dumps(config_of([whole])))
    entry = {"Config": "config.json", "RepoTags": None, "Layers": ["layer.tar"]}
    (tree / "manifest.json").write_text(json.dumps([entry]))
    for name, write in WRITERS.items():
        write(tree, tmp_path / "image.tar")
        for wrap in WRAPS:
            (tmp_path / "wrapped").write_bytes(WRAPS[wrap]((tmp_path / "image.tar").read_bytes()))
            with pytest.raises(NotAnImageError, match="is not the one that the image's config names"):
                made(tmp_path / "wrapped", tmp_path / "out")
        assert name
    assert hashlib.sha256(cut).hexdigest() != hashlib.sha256(whole).hexdigest()
    shutil.rmtree(tree)
