"""A root of `nix-cache` that somebody wrote to do harm: Nix does not take what it leads to, and the build goes on as without it."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from flakeship.caches.packs.index import encode, index_of
from flakeship.caches.packs.layout import LayoutRepository
from flakeship.caches.packs.manifest import RootManifest, encode_manifest
from flakeship.caches.packs.repository import read_root
from flakeship.image.model import digest_of
from tests.caches.packs.scene import padded
from tests.e2e.test_nix_cache import built, flake
from tests.testbed.own_store import OwnStores

__all__ = ["flake"]

pytestmark = [pytest.mark.slow, pytest.mark.long]


def nar_with(*names: bytes) -> bytes:
    """The NAR of a folder whose entries are a file of each of these names."""
    words = [b"nix-archive-1", b"(", b"type", b"directory"]
    for name in names:
        node = (b"(", b"type", b"regular", b"contents", b"x", b")")
        words += [b"entry", b"(", b"name", name, b"node", *node, b")"]
    return b"".join(map(padded, (*words, b")")))


def give(layout: Path, name: str, nar: bytes) -> None:
    """Let the root of a folder have this NAR for all paths whose names end so, with the hash that it really has."""
    import zstandard

    repository = LayoutRepository(layout)
    [tag] = repository.tags()
    root = read_root(repository, tag)
    assert root
    frame = zstandard.ZstdCompressor().compress(nar)
    pack = digest_of(frame)
    lie = {
        "nar_hash": hashlib.sha256(nar).digest(),
        "nar_size": len(nar),
        "frame": hashlib.sha256(frame).digest(),
        "frame_size": len(frame),
    }
    lines = (
        replace(line, pack=pack, offset=0, entry=replace(line.entry, **lie))  # type: ignore[arg-type]
        if line.entry.path.endswith(name)
        else line
        for line in root.index.held.values()
    )
    index = index_of(lines, {**root.index.packs, pack: len(frame)})
    data, packs = encode(index)
    manifest = RootManifest(
        (digest_of(data), len(data)),
        tuple((digest, index.packs[digest]) for digest in packs),
        root.manifest.annotations,
    )
    for content in (frame, data):
        repository.upload(digest_of(content), len(content), partial(io.BytesIO, content))
    assert repository.put(tag, encode_manifest(manifest), instead_of=root.digest)


NARS = {
    "above": nar_with(b".."),
    "a path": nar_with(b"a/b"),
    "no name": nar_with(b""),
    "twice": nar_with(b"a", b"a"),
    "cut off": nar_with(b"a")[:-40],
    "no NAR": b"hello world",
    "nothing": b"",
}


@pytest.mark.parametrize("nar", NARS.values(), ids=NARS)
def test_what_nix_can_not_unpack_is_built_and_written_anew(
    cold: OwnStores, flake: Path, tmp_path: Path, nar: bytes
) -> None:
    def image_of(number: int) -> tuple[list[str], str, str]:
        to = tmp_path / f"image-{number}"
        flags = ("--to", f"oci:{to}", "--created", "keep", "--reuse", "off")
        cache = ("--nix-cache", f"oci:{tmp_path}/cache")
        done = cold().publish("--flake", ".#hello", *flags, *cache, cwd=flake)
        assert done.code == 0, done.stderr
        digest = json.loads((to / "index.json").read_bytes())["manifests"][0]["digest"]
        return built(done.stderr), digest, done.stderr

    _, digest, _ = image_of(1)
    give(tmp_path / "cache", "-hello-2.12", nar)
    hello, second, said = image_of(2)
    assert (hello, second) == (["hello-2.12"], digest)
    assert f"Nix failed over the cache oci:{tmp_path}/cache" in said
    hello, third, said = image_of(3)
    assert (hello, third) == ([], digest)
    assert "warning: Nix failed" not in said
