"""What comes out of a pack is what Nix takes: its frame, its narinfo and our signature, by way of a folder that Nix reads."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from flakeship.caches.nar_entry import PathInfo, narinfo_of, parse_narinfo, sha256_of
from flakeship.caches.packs.signing import SecretKey
from tests.caches.packs.scene import Scene

KEY, OTHER = SecretKey("pack-1", b"k" * 32), SecretKey("pack-1", b"o" * 32)


@pytest.mark.slow
def test_nix_reads_a_path_out_of_a_pack(scene: Scene, nix_environ: Mapping[str, str], tmp_path: Path) -> None:
    def nix(*words: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["nix", *words], env=nix_environ, capture_output=True, check=check)

    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/program").write_text(f"#!/bin/sh\n{tmp_path}\n")
    (tmp_path / "tree/program").chmod(0o755)
    path = nix("store", "add-path", str(tmp_path / "tree")).stdout.decode().strip()
    [told] = json.loads(nix("path-info", "--json", path).stdout)
    nar = nix("store", "dump-path", path).stdout
    # Nix takes what has a content address without a signature, so the address is left out here.
    info = PathInfo(path=path, nar_hash=sha256_of(told["narHash"]), nar_size=told["narSize"])
    repository = scene.layout()
    scene.write(repository, {info: nar}, key=KEY)
    cache = scene.cache(repository, keys=[KEY.public])
    entry = cache.entry(info.hash_part)
    assert entry
    opened = cache.open(entry)
    assert opened
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "nix-cache-info").write_text("StoreDir: /nix/store\n")
    with opened as reader:
        (folder / "frame.nar.zst").write_bytes(reader.read())
    (folder / f"{info.hash_part}.narinfo").write_bytes(narinfo_of(entry, "frame.nar.zst"))
    assert parse_narinfo((folder / f"{info.hash_part}.narinfo").read_bytes()).sigs == entry.sigs

    def copied(key: SecretKey) -> subprocess.CompletedProcess[bytes]:
        store = tmp_path / f"store-{key.seed[:1].decode()}"
        trusted = ("--option", "trusted-public-keys", str(key.public))
        return nix("copy", "--from", f"file://{folder}", "--to", str(store), *trusted, path, check=False)

    assert copied(KEY).returncode == 0, copied(KEY).stderr
    assert (tmp_path / f"store-k{path}/program").read_text().endswith(f"{tmp_path}\n")
    assert b"lacks a valid signature" in copied(OTHER).stderr
