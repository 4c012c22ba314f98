"""nix2container's image: the digests it states, how it may be broken, and what becomes of it.

The golden digests are of what nix2container's own code (July 2026, Go 1.19) wrote for these trees; about 1,600 random
trees were compared with it byte for byte.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from flakeship.errors import Error, NotAnImageError, ResourceError
from flakeship.sources.nix2container.tree import WriterVersion
from tests.image.making import check, made
from tests.sources.store_trees import (
    FIXED,
    digest_of_tar,
    image_json,
    layer_json,
    plant,
    rewritten,
    tar_of,
)

PERMS = [
    {
        "regex": ".*program$",
        "mode": "4755",
        "uid": 1000,
        "gid": 100,
        "uname": "someone",
        "gname": "people",
    },
    {"regex": "link", "mode": "0700", "uid": 0, "gid": 2097152, "uname": "u" * 33, "gname": ""},
]
OLD = [
    WriterVersion(gname_is_uname=True),
    WriterVersion(mtime=0, gname_is_uname=True),
]


@pytest.mark.parametrize(
    ("to", "options", "digest"),
    [
        pytest.param(
            FIXED, {}, "9ffba198831bacdcab04f45ecfb7c70c90467ac5bc5b326d5274965cefd97535", id="store"
        ),
        pytest.param("", {}, "582962c6d7684a995e8c939bef4da95818e4ca9f16dc16f84871e029626b426e", id="root"),
        pytest.param(
            FIXED,
            {"perms": PERMS},
            "d62e8364cf4114203cb3dd575f650846d369304aca16432bc18c714ba0236edd",
            id="perms",
        ),
    ],
)
def test_golden_digests(tmp_path: Path, to: str, options: Mapping[str, Any], digest: str) -> None:
    odd = plant(tmp_path / "odd")
    assert digest_of_tar(rewritten(odd, to, **options), store=tmp_path) == f"sha256:{digest}"


def test_golden_digest_of_two_paths_in_one_layer(tmp_path: Path) -> None:
    odd = plant(tmp_path / "odd")
    digest = digest_of_tar(rewritten(odd, FIXED), rewritten(odd, "/srv"), store=tmp_path)
    assert digest == "sha256:6bc4f72dc5ba9bb51c45d978fa1b579a004bd1e6b4c66d5709588ba9e14e1978"


NAMES = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=60
).filter(lambda name: name not in {".", ".."} and len(name.encode()) < 200)
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map("/".join),
    st.one_of(st.binary(max_size=1500), NAMES),
    min_size=1,
    max_size=6,
).filter(lambda tree: not any(f"{one}/" in f"{two}/" for one in tree for two in tree if one != two))


@pytest.mark.slow
@given(tree=TREES)
def test_tarfile_reads_back_what_was_planted(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, bytes | str]
) -> None:
    store = tmp_path_factory.mktemp("store")
    data = tar_of(rewritten(plant(store / "tree", tree), ""), store=store)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        found = {
            member.name.lstrip("/"): member.linkname if member.issym() else archive.extractfile(member).read()  # type: ignore[union-attr]
            for member in archive
            if not member.isdir()
        }
        assert {(item.uid, item.gid, item.uname, item.mtime) for item in archive} == {(0, 0, "root", 1)}
    assert found == tree


def image(store: Path, *layers: Mapping[str, Any], **more: Any) -> Path:
    path = store / "image.json"
    path.write_bytes(image_json(layers, **more))
    return path


def layer_of(
    store: Path,
    *paths: Mapping[str, Any],
    version: WriterVersion = WriterVersion(),  # noqa: B008
) -> dict[str, Any]:
    return layer_json(digest_of_tar(*paths, store=store, version=version), *paths)


def test_an_image(tmp_path: Path) -> None:
    store = tmp_path / "store"
    one, two = rewritten(plant(store / "one"), FIXED), rewritten(plant(store / "two", {"a": b"A"}), "")
    path = image(store, layer_of(store, one), layer_of(store, two))
    packed = made(path, tmp_path / "out", store=store)
    check(packed)
    config = json.loads(packed.config)
    assert config["rootfs"]["diff_ids"] == [digest_of_tar(each, store=store) for each in (one, two)]
    assert config["config"] == {"Entrypoint": ["/bin/program"], "Env": ["A=1"]}
    assert (config["os"], config["architecture"]) == ("linux", "arm64")
    assert config["history"] == [{"created_by": "nix2container"}] * 2
    assert "created" not in config, "year 1 is Go's word for never"


@pytest.mark.parametrize("version", OLD)
def test_older_versions_wrote_other_headers(tmp_path: Path, version: WriterVersion) -> None:
    store = tmp_path / "store"
    paths = [
        rewritten(plant(store / "a", {"a": b""}), FIXED),
        rewritten(plant(store / "b"), FIXED, perms=PERMS),
    ]
    path = image(store, *(layer_of(store, each, version=version) for each in paths))
    check(packed := made(path, tmp_path / "out", store=store))
    assert len({digest_of_tar(paths[1], store=store, version=each) for each in [*OLD, WriterVersion()]}) == 3
    assert packed.layers[1].diff_id == digest_of_tar(paths[1], store=store, version=version)


@pytest.mark.parametrize("layers", [None, []])
def test_an_image_without_layers(tmp_path: Path, layers: list[Any] | None) -> None:
    (tmp_path / "image.json").write_bytes(image_json(layers))
    packed = made(tmp_path / "image.json", tmp_path / "out", store=tmp_path)
    assert json.loads(packed.config)["rootfs"] == {"type": "layers", "diff_ids": []}


PLAIN = tarfile.TarInfo("file").tobuf() + bytes(1024)


@pytest.mark.parametrize(
    ("blob", "suffix"),
    [
        (PLAIN, "+gzip"),  # made here
        (gzip.compress(PLAIN, 9), "+gzip"),
        (zstandard.ZstdCompressor(level=5).compress(PLAIN), "+zstd"),
    ],
    ids=["plain", "gzip", "zstd"],
)
def test_layers_of_a_base_image_are_files(tmp_path: Path, blob: bytes, suffix: str) -> None:
    """As from pullImage: no size, a media type that is wrong, and no history to speak of."""
    file = tmp_path / "blob"
    file.write_bytes(blob)
    diff_id, digest = (f"sha256:{hashlib.sha256(data).hexdigest()}" for data in (PLAIN, blob))
    layer = {
        "digest": digest,
        "size": 0,
        "diff_ids": diff_id,
        "mediatype": "application/vnd.oci.image.layer.v1.tar+gzip",
        "layer-path": str(file),
        "History": {},
    }
    path = image(tmp_path, layer, layer, arch="", created=None)
    packed = made(path, tmp_path / "out", store=tmp_path)
    check(packed)
    assert [one.diff_id for one in packed.layers] == [diff_id] * 2
    assert packed.layers[0].descriptor.media_type.endswith(suffix)
    if blob is not PLAIN:
        assert packed.layers[0].descriptor.digest == digest
        assert packed.layers[0].descriptor.size == len(blob)


def broken(tmp_path: Path, store: Path, layer: Mapping[str, Any], **more: Any) -> Error:
    with pytest.raises(Error) as caught:
        made(image(store, layer, **more), tmp_path / "out", store=store)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"digest": None}, "'digest' is missing"),
        ({"diff_ids": "sha256:abc"}, "is not a digest"),
        ({"paths": [{"options": {}}]}, "'path' is missing"),
        ({"paths": [{"path": 7}]}, "7 is not a string"),
        ({"paths": "nothing"}, "not an image of nix2container"),
        ({"size": "many"}, "the size of layer 1"),
        ({"paths": [{"path": "/etc/passwd"}]}, "names '/etc/passwd', which is not in"),
        ({"paths": [{"path": "{store}/../outside"}]}, "which is not in"),
        ({"paths": [{"path": "{store}/escape/passwd"}]}, "which is not in"),
        ({"layer-path": "/etc/passwd"}, "which is not in"),
        ({"paths": [{"path": "{store}/gone"}]}, "which is not there"),
        ({"paths": [{"path": "{store}/one", "options": {"rewrite": {"regex": "("}}}]}, "can't be read"),
        (
            {"paths": [{"path": "{store}/one", "options": {"perms": [{"regex": "a", "mode": "rwx"}]}}]},
            "not an octal number",
        ),
        ({"diff_ids": f"sha256:{'1' * 64}"}, "has no layer-path that says where it is"),
        ({"digest": f"sha256:{'1' * 64}", "diff_ids": f"sha256:{'1' * 64}"}, "layer sha256:1111"),
    ],
)
def test_a_layer_that_is_broken(tmp_path: Path, change: Mapping[str, Any], words: str) -> None:
    store = tmp_path / "store"
    entry = rewritten(plant(store / "one"), FIXED)
    (store / "escape").symlink_to("/etc")
    filled = json.loads(json.dumps(change).replace("{store}", str(store)))
    error = broken(tmp_path, store, {**layer_of(store, entry), **filled})
    assert isinstance(error, NotAnImageError)
    assert words in error.message


def test_a_version_nobody_knows(tmp_path: Path) -> None:
    error = broken(tmp_path, tmp_path, {}, version=2)
    assert "has version 2" in error.message
    assert "nix2container" in error.hint


def test_a_later_layer_that_is_not_what_is_stated_is_named(tmp_path: Path) -> None:
    store = tmp_path / "store"
    small = layer_of(store, rewritten(plant(store / "one", {"a": b""}), FIXED))
    wrong = layer_json(f"sha256:{'2' * 64}", rewritten(plant(store / "two"), FIXED), size=2048)
    with pytest.raises(NotAnImageError, match=f"layer sha256:{'2' * 64} is not the one"):
        made(image(store, small, wrong), tmp_path / "out", store=store)


def test_a_blob_that_lies(tmp_path: Path) -> None:
    blob = gzip.compress(PLAIN)
    (tmp_path / "blob").write_bytes(blob + b"more")
    layer = layer_json(
        f"sha256:{hashlib.sha256(blob).hexdigest()}",
        diff_ids=f"sha256:{'3' * 64}",
        **{"layer-path": str(tmp_path / "blob")},
    )
    assert "has other content than its digest says" in broken(tmp_path, tmp_path, layer).message
    (tmp_path / "blob").write_bytes(blob)
    assert "is not the one that the image's config names" in broken(tmp_path, tmp_path, layer).message


def test_a_socket_in_a_store_path(tmp_path: Path) -> None:
    import socket

    plant(tmp_path / "one", {"a": b""})
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "one/socket"))
        layer = layer_json(f"sha256:{'0' * 64}", {"path": str(tmp_path / "one")})
        assert "is a socket" in broken(tmp_path, tmp_path, layer).message


def test_a_file_that_becomes_shorter(tmp_path: Path) -> None:
    from flakeship.sources.nix2container.tree import LayerPath, tar_pieces

    plant(tmp_path / "one", {"a": b"", "b": b"content"})
    pieces = tar_pieces([LayerPath(str(tmp_path / "one").encode())], WriterVersion())
    next(pieces)
    (tmp_path / "one/b").chmod(0o644)
    (tmp_path / "one/b").write_bytes(b"")
    with pytest.raises(ResourceError, match="one/b changed while it was read") as caught:
        list(pieces)
    assert "nix-store --verify" in caught.value.hint


def test_a_file_that_vanishes(tmp_path: Path) -> None:
    from flakeship.sources.nix2container.tree import LayerPath, tar_pieces

    plant(tmp_path / "one", {"a": b"", "b": b"content"})
    pieces = tar_pieces([LayerPath(str(tmp_path / "one").encode())], WriterVersion())
    next(pieces)
    (tmp_path / "one/b").unlink()
    with pytest.raises(ResourceError, match="one/b vanished") as caught:
        list(pieces)
    assert "garbage collection" in caught.value.hint
