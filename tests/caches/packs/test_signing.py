"""Signatures are those of Nix, and a path without a valid one is not there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from flakeship.caches.nar_entry import PathInfo, sha256_of
from flakeship.caches.packs.signing import PublicKey, SecretKey
from flakeship.errors import UsageError
from tests.caches.packs.scene import Scene, holds, some_paths


def secret_key(name: str, seed: bytes) -> SecretKey:
    return SecretKey(name, seed)


MINE, OTHER = secret_key("mine-1", b"1" * 32), secret_key("mine-1", b"2" * 32)


@pytest.mark.slow
def test_nix_signs_the_same(nix_environ: Mapping[str, str], tmp_path: Path) -> None:
    def nix(*words: str, given: bytes = b"") -> str:
        ended = subprocess.run(["nix", *words], env=nix_environ, input=given, capture_output=True, check=True)
        return ended.stdout.decode()

    text = nix("key", "generate-secret", "--key-name", "cache.example.org-1")
    key, file = SecretKey.parse(text), tmp_path / "key"
    file.write_text(text)
    assert str(key.public) == nix("key", "convert-secret-to-public", given=text.encode()).strip()
    (tmp_path / "content").write_text(str(tmp_path))
    path = nix("store", "add-file", str(tmp_path / "content")).strip()
    nix("store", "sign", "--key-file", str(file), path)
    [told] = json.loads(nix("path-info", "--json", path))
    info = PathInfo(
        path=path,
        nar_hash=sha256_of(told["narHash"]),
        nar_size=told["narSize"],
        references=tuple(name.removeprefix("/nix/store/") for name in told["references"]),
        ca=told.get("ca", ""),
        sigs=tuple(told["signatures"]),
    )
    assert key.signature(info) in info.sigs
    assert key.public.has_signed(info)
    assert not key.public.has_signed(replace(info, nar_size=info.nar_size + 1))


def test_only_what_the_key_has_signed_is_there(scene: Scene) -> None:
    repository = scene.layout()
    mine, theirs, unsigned = (some_paths(2, seed=seed) for seed in "abc")
    scene.write(repository, mine, key=MINE)
    scene.write(repository, theirs, key=OTHER)
    scene.write(repository, unsigned)
    every = {**mine, **theirs, **unsigned}
    cache = scene.cache(repository, keys=[MINE.public])
    assert holds(cache, every) == list(mine)
    assert len(scene.warnings) == 1
    assert "holds paths without a valid signature of mine-1" in scene.warnings[0]
    assert holds(scene.cache(repository, keys=[MINE.public, OTHER.public]), every) == [*mine, *theirs]
    assert holds(scene.cache(repository), every) == list(every)


def test_what_is_made_anew_for_want_of_a_signature_takes_the_place_of_the_other(scene: Scene) -> None:
    """In the same second, too: whoever comes last has the key that is asked for."""
    repository, paths = scene.layout(), some_paths(5)
    for key in (OTHER, MINE, replace(MINE, name="ours-1"), OTHER):
        scene.write(repository, paths, key=key)
        assert holds(scene.cache(repository, keys=[key.public]), paths) == list(paths)


@pytest.mark.parametrize("text", ["", "name", "name:", "na me:AAAA", "name:AAAA", f"name:{'A' * 86}=="])
def test_a_public_key_that_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="is not a"):
        PublicKey.parse(text)


def test_a_secret_key_that_is_none_is_not_shown() -> None:
    secret = "name:" + "c2VjcmV0c2VjcmV0" * 8
    for text in (secret, secret[:40], "hidden", f"name:{'A' * 86}=="):
        with pytest.raises(UsageError, match=r"nix-cache-key: the value is not a secret key$") as caught:
            SecretKey.parse(text)
        assert text not in caught.value.message
    with pytest.raises(UsageError, match=r"is not a secret key but a public one$"):
        SecretKey.parse(str(MINE.public))
