"""The narinfo that we write is read back as it was, and hashes as Nix writes them are read in any of its spellings."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.caches.nar_entry import NarEntry, PathInfo, narinfo_of, nix32, parse_narinfo, sha256_of, sri

DIGEST = hashlib.sha256(b"").digest()
NAME = "00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-2.10"
PATH = f"/nix/store/{NAME}"


@pytest.mark.parametrize(
    "text",
    [
        "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",  # as `nix-hash --type sha256 --base32` says it
        f"sha256:{DIGEST.hex()}",
        f"sha256:{base64.b64encode(DIGEST).decode()}",
        "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    ],
)
def test_a_hash_is_read_in_each_spelling(text: str) -> None:
    assert sha256_of(text) == DIGEST


@given(st.binary(min_size=32, max_size=32))
def test_a_hash_is_read_as_it_was_written(digest: bytes) -> None:
    assert sha256_of(f"sha256:{nix32(digest)}") == sha256_of(sri(digest)) == digest


@pytest.mark.parametrize(
    "text", ["", "sha256", "md5:00", "sha256:" + "z" * 52, "sha256:" + "e" * 52, "sha256-AAAA", "sha256:é"]
)
def test_what_is_not_a_hash_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        sha256_of(text)


def test_a_fingerprint_is_the_one_of_nix() -> None:
    """Its references are whole paths, sorted. That Nix signs this very text is tried with Nix in packs/test_signing.py."""
    info = PathInfo(path=PATH, nar_hash=DIGEST, nar_size=7, references=("z" * 32 + "-b", NAME))
    assert (
        info.fingerprint
        == f"1;{PATH};sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73;7;{PATH},/nix/store/{'z' * 32}-b"
    )


@pytest.mark.parametrize("full", [True, False])
def test_a_narinfo_is_read_as_it_was_written(full: bool) -> None:
    more = (
        {"deriver": f"{PATH}.drv", "ca": "fixed:r:sha256:0", "sigs": ("a-1:AA==", "b:BB==")} if full else {}
    )
    entry = NarEntry(
        path=PATH,
        nar_hash=DIGEST,
        nar_size=7,
        references=(NAME,),
        frame=b"f" * 32,
        frame_size=9,
        **more,  # type: ignore[arg-type]
    )
    read = parse_narinfo(narinfo_of(entry, "nar/x.nar.zst"))
    fields = ("path", "nar_hash", "nar_size", "references", "deriver", "ca", "sigs", "compression")
    assert [getattr(read, name) for name in fields] == [getattr(entry, name) for name in fields]
    assert (read.url, read.file_hash, read.file_size) == ("nar/x.nar.zst", b"f" * 32, 9)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("NarHash", "XarHash"), "it has no NarHash"),
        (("NarSize: 7", "NarSize: -7"), "'-7' is not a number"),
        (("StorePath: /nix/store/0", "StorePath: /nix/store/../0"), "is not a store path"),
        (("References: 0", "References: ../0"), "is not a store path"),
        (("URL: x", "URL: x\nURL: y"), "it has URL twice"),
        (("URL: x", "URL: x\x1b["), "is not one of a narinfo"),
        (("Compression: zstd", "no colon"), "is not one of a narinfo"),
    ],
)
def test_a_narinfo_that_is_none_is_refused(change: tuple[str, str], reason: str) -> None:
    entry = NarEntry(
        path=PATH, nar_hash=DIGEST, nar_size=7, references=(NAME,), frame=b"f" * 32, frame_size=9
    )
    with pytest.raises(ValueError, match=reason):
        parse_narinfo(narinfo_of(entry, "x").decode().replace(*change).encode())
