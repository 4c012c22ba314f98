"""Archives that are no image: one clear error each, of one class, and nothing handed out by those that can be sought in."""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from flakeship import sources
from flakeship.errors import NotAnImageError, UsageError
from flakeship.image.document import DOCUMENT_LIMIT
from flakeship.image.stream import sha256_of
from flakeship.sources.opened import SourceRequest
from tests.image.making import WRAPS, files, made, settled
from tests.testbed import archives
from tests.testbed.archive_shapes import PATHS, Item, archive, config_of, documents, packed
from tests.testbed.archives import DIFF_IDS, LAYERS

SMALL = tuple(archives.layer_tar({f"etc/{n}": b"x" * 600}) for n in range(2))
BUILT = " it is damaged"
TRUST = "do not trust"


def members(*more: Item, without: str = "", layers: bool = True) -> bytes:
    paths = [f"{n}/layer.tar" for n in range(2)]
    items = [Item(path, layer) for path, layer in zip(paths, SMALL, strict=True) if layers]
    items += documents(config_of(SMALL), paths)
    return packed([*more, *(item for item in items if item.name != without)])


def manifest(text: object) -> bytes:
    data = text if isinstance(text, bytes) else json.dumps(text).encode()
    return members(Item("manifest.json", data), without="manifest.json")


def config(text: bytes) -> bytes:
    return archive(SMALL, text=text)


def encoded(**changes: object) -> bytes:
    return json.dumps(config_of(SMALL, **changes)).encode()


NAMED = {"Config": "c.json", "Layers": ["0/layer.tar"], "RepoTags": None}
WRONG = "sha256:" + "0" * 64

BAD: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "no manifest": (lambda: members(without="manifest.json"), "has no manifest.json", "an attribute that is an image"),
    "manifest is not JSON": (lambda: manifest(b"{"), "manifest.json can't be read", BUILT),
    "manifest is an object": (lambda: manifest({}), "lists no image", BUILT),
    "manifest is empty": (lambda: manifest([]), "lists no image", BUILT),
    "manifest lists a number": (lambda: manifest([5]), "lists no image", BUILT),
    "no config named": (lambda: manifest([{"Layers": []}]), "does not name a config and layers", BUILT),
    "layers no list": (lambda: manifest([NAMED | {"Layers": "a"}]), "does not name a config", BUILT),
    "a layer no text": (lambda: manifest([NAMED | {"Layers": [5]}]), "does not name a config", BUILT),
    "names no list": (lambda: manifest([NAMED | {"RepoTags": {"a": 1}}]), "does not name a config", BUILT),
    "no such config": (lambda: manifest([NAMED]), "has no member 'c.json'", BUILT),
    "no such layer": (lambda: members(without="1/layer.tar"), "has no member '1/layer.tar'", BUILT),
    "config leads out": (lambda: manifest([NAMED | {"Config": "../c.json"}]), "leads out", TRUST),
    "layer leads out": (
        lambda: packed(documents(config_of(SMALL), ["../etc/passwd", "a"])), "leads out", TRUST,
    ),
    "several images": (
        lambda: archives.merged("registry.example/one:1", "registry.example/two:2"),
        "holds 2 images: registry.example/one:1, registry.example/two:2", "`image-in-archive`",
    ),
    "manifest too large": (lambda: manifest(b" " * (1 << 20) + b"[]"), "'manifest.json' has more than 1048576", BUILT),
    "manifest far too large": (
        lambda: manifest(b"[" + b" " * DOCUMENT_LIMIT + b"]"), "'manifest.json' has more than 1048576", BUILT,
    ),
    "config too large": (
        lambda: config(b"{" + b" " * DOCUMENT_LIMIT + b"}"), f"has more than {DOCUMENT_LIMIT} bytes", BUILT,
    ),
    "config no JSON": (lambda: config(b"{]"), "can't be read", BUILT),
    "config a list": (lambda: config(b"[]"), "it is not a JSON object", BUILT),
    "config not UTF-8": (lambda: config(b'{"a":"\xff"}'), "it is not UTF-8", BUILT),
    "config with half a surrogate": (lambda: config(b'{"author":"\\ud800"}'), "surrogate", BUILT),
    "config with NaN": (lambda: config(b'{"a":NaN}'), "NaN is not JSON", BUILT),
    "config with a huge number": (lambda: config(b'{"a":1e400}'), "too large a number", BUILT),
    "config with a key twice": (lambda: config(b'{"os":"linux","os":"plan9"}'), "'os' occurs twice", BUILT),
    "config too deep": (lambda: config(b'{"a":' * 70 + b"1" + b"}" * 70), "nested too deeply", BUILT),
    "config far too deep": (lambda: config(b'{"a":' * 200_000), "nested too deeply", BUILT),
    "config without rootfs": (lambda: config(encoded(rootfs=None)), "no rootfs.diff_ids", BUILT),
    "count mismatch": (
        lambda: config(encoded(rootfs={"diff_ids": [WRONG]})), "another number of diff_ids (1) than the image has layers (2)", BUILT,
    ),
    "no digest": (
        lambda: config(encoded(rootfs={"diff_ids": ["sha256:../x", WRONG]})), "'sha256:../x' is not a digest", BUILT,
    ),
    "config.Cmd a string": (lambda: config(encoded(config={"Cmd": "sh"})), "config.Cmd is str", "Nix expression"),
    "a bad date": (lambda: config(encoded(created="now")), "is not a date", "Nix expression"),
    "a member above": (lambda: members(Item("../evil")), "leads out", TRUST),
    "a member that leads out": (lambda: members(Item("/../etc/passwd")), "leads out", TRUST),
    "a layer that is a link out": (
        lambda: packed([
            Item("0/layer.tar", kind=tarfile.SYMTYPE, link="../../x"), Item("1/layer.tar", SMALL[1]),
            *documents(config_of(SMALL), ["0/layer.tar", "1/layer.tar"]),
        ]), "its link '0/layer.tar' leads out", "a file system",
    ),
    "a manifest in a folder": (
        lambda: packed(documents(config_of(SMALL), ["0/layer.tar"], prefix="image/")),
        "has its manifest.json in a folder, 'image'", "--directory 'image'",
    ),
    "a manifest of skopeo's": (
        lambda: manifest({"schemaVersion": 2, "layers": []}), "the manifest of one image", "unpack the archive",
    ),
    "a circle of links": (
        lambda: packed([
            Item("0/layer.tar", kind=tarfile.SYMTYPE, link="../1/layer.tar"),
            Item("1/layer.tar", kind=tarfile.SYMTYPE, link="../0/layer.tar"),
            *documents(config_of(SMALL), ["0/layer.tar", "1/layer.tar"]),
        ]), "leads in a circle", BUILT,
    ),
    "a link to nothing": (
        lambda: packed([
            Item("0/layer.tar", kind=tarfile.SYMTYPE, link="none"), Item("1/layer.tar", SMALL[1]),
            *documents(config_of(SMALL), ["0/layer.tar", "1/layer.tar"]),
        ]), "has no member '0/layer.tar'", BUILT,
    ),
    "too many members": (lambda: members(*(Item(f"f/VERSION{n}") for n in range(20_001))), "20000 members", "docker"),
    "a file system": (
        lambda: packed([Item("bin/sh", b"\x7fELF" + bytes(600)), Item("etc/hostname", b"hi")]),
        "has no manifest.json", "an attribute that is an image",
    ),
    "an empty archive": (lambda: bytes(10240), "has no manifest.json", "an attribute that is an image"),
}  # fmt: skip
LATE: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "a layer that is another": (
        lambda: archive(SMALL, rootfs={"diff_ids": [WRONG, WRONG]}), f"the config has the diff_id {WRONG}", " it is damaged",
    ),
    "a damaged layer in gzip": (
        lambda: packed([
            Item("0/layer.tar", gzip.compress(SMALL[0])[:-6]), *documents(config_of(SMALL[:1]), ["0/layer.tar"])
        ]), "damaged", "build or copy the file again",
    ),
}  # fmt: skip
"""What is known only once a layer is read."""


def marked(*names: str) -> list[ParameterSet]:
    slow = {"too many members"}
    return [pytest.param(name, marks=[pytest.mark.slow] if name in slow else []) for name in names]


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("name", marked(*BAD, *LATE))
def test_one_clear_error(tmp_path: Path, name: str, wrap: str) -> None:
    make, words, hint = (BAD | LATE)[name]
    (tmp_path / "archive").write_bytes(WRAPS[wrap](make()))
    open_files = files()
    with pytest.raises(NotAnImageError) as caught:
        made(tmp_path / "archive", tmp_path / "out")
    assert words in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == 4
    del caught
    assert settled(open_files)
    assert list((tmp_path / "out").iterdir()) == [] or wrap != "plain"


@pytest.mark.parametrize("name", marked(*BAD))
def test_nothing_is_handed_out_before_index_and_config_are_checked(tmp_path: Path, name: str) -> None:
    (tmp_path / "archive").write_bytes(BAD[name][0]())
    with pytest.raises(NotAnImageError), sources.opened(tmp_path / "archive", SourceRequest()):
        pytest.fail("it was opened")


@pytest.mark.parametrize("wrap", ["gzip", "zstd"])
def test_more_json_than_any_image_has(tmp_path: Path, wrap: str) -> None:
    large = b"{" + b" " * (DOCUMENT_LIMIT - 2) + b"}"
    data = members(*(Item(f"{n}.json", large) for n in range(5)))
    (tmp_path / "archive").write_bytes(WRAPS[wrap](data))
    with pytest.raises(NotAnImageError, match="more than 16777216 bytes of JSON") as caught:
        made(tmp_path / "archive", tmp_path / "out")
    assert BUILT in caught.value.hint


def test_a_manifest_that_is_a_bomb_is_not_inflated(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(manifest(gzip.compress(bytes(50_000_000))))
    with pytest.raises(NotAnImageError, match=r"manifest.json can't be read: it is not UTF-8"):
        made(tmp_path / "archive", tmp_path / "out")


def test_a_layer_that_is_a_device(tmp_path: Path) -> None:
    items = [Item("0/layer.tar", kind=tarfile.CHRTYPE), *documents(config_of(SMALL[:1]), ["0/layer.tar"])]
    (tmp_path / "archive").write_bytes(packed(items))
    with pytest.raises(NotAnImageError, match=r"'0/layer\.tar' is a device") as caught:
        made(tmp_path / "archive", tmp_path / "out")
    assert TRUST in caught.value.hint


@pytest.mark.slow
@pytest.mark.parametrize("wrap", WRAPS)
def test_cut_off_anywhere(tmp_path: Path, wrap: str) -> None:
    whole = WRAPS[wrap](members())
    # what stands behind tar's end, or behind the last byte of zstd's data, is no loss
    end = len(whole.rstrip(b"\0")) if wrap == "plain" else len(whole) - (4 if wrap == "zstd" else 0)
    step = 512 if wrap == "plain" else max(1, end // 40)
    cuts = {cut + shift for cut in range(0, end, step) for shift in (-1, 0, 1)}
    for cut in sorted(cut for cut in cuts if 0 <= cut < end):
        (tmp_path / "archive").write_bytes(whole[:cut])
        with pytest.raises(NotAnImageError) as caught:
            made(tmp_path / "archive", tmp_path / "out")
        assert "damaged archive" in caught.value.message or "is not an image" in caught.value.message, cut
        assert caught.value.hint
    assert settled(files())


@pytest.mark.slow
@pytest.mark.parametrize("wrap", WRAPS)
def test_no_flipped_bit_goes_unnoticed(tmp_path: Path, wrap: str) -> None:
    """It is an error, or the very same image: bits of padding and of names that nobody reads mean nothing."""
    whole = WRAPS[wrap](archive(SMALL))
    (tmp_path / "archive").write_bytes(whole)
    good = made(tmp_path / "archive", tmp_path / "good")
    noticed = 0
    for position in range(0, len(whole), max(1, len(whole) // 150)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        (tmp_path / "archive").write_bytes(damaged)
        try:
            found = made(tmp_path / "archive", tmp_path / "out")
        except NotAnImageError as error:
            noticed += bool(error.hint)
        else:
            assert found.layers[0].diff_id == good.layers[0].diff_id
    assert noticed > 20
    assert settled(files())


def test_a_wrong_checksum_of_gzip(tmp_path: Path) -> None:
    data = bytearray(WRAPS["gzip"](members()))
    data[-6] ^= 1
    (tmp_path / "archive").write_bytes(data)
    with pytest.raises(NotAnImageError, match="compressed stream is damaged") as caught:
        made(tmp_path / "archive", tmp_path / "out")
    assert "build or copy the file again" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "words", "hint"),
    [
        (b"", "an empty file", "builder"),
        (b"PK\x03\x04", "packed with zip, 7z, rar, lz4 or lzip", "gzip or zstd"),
        (b"\x04\x22\x4d\x18", "packed with zip, 7z, rar, lz4 or lzip", "gzip or zstd"),
        (b"BZhello", "of a kind that flakeship does not know", "buildLayeredImage"),
        (b'{"version": 1}', "a JSON document", "streamLayeredImage"),
        (b"#!/bin/sh\n", "a script that may not be executed", "chmod +x"),
        (b"hello\n", "of a kind that flakeship does not know", "buildLayeredImage"),
    ],
)
def test_files_that_are_no_image(tmp_path: Path, content: bytes, words: str, hint: str) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(NotAnImageError) as caught:
        made(tmp_path / "file", tmp_path / "out")
    assert caught.value.message == f"{tmp_path / 'file'} is not an image: it is {words}"
    assert hint in caught.value.hint


def test_a_folder_a_pipe_and_a_dangling_path(tmp_path: Path) -> None:
    with pytest.raises(NotAnImageError, match="it is a folder") as caught:
        made(tmp_path, tmp_path / "out")
    assert "attribute that is an image" in caught.value.hint
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotAnImageError, match="neither a file nor a folder") as piped:
        made(tmp_path / "pipe", tmp_path / "out")
    assert "to a file first" in piped.value.hint
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(UsageError, match="it is a link to nowhere, and nothing is there") as missing:
        made(tmp_path / "dangling", tmp_path / "out")
    assert "build it once more" in missing.value.hint


def _read_spoilt(path: Path, spoil: Callable[[], object]) -> None:
    with sources.opened(path, SourceRequest()) as source:
        layers = list(source.layers())
        spoil()
        for layer in layers:
            with layer.open() as reader:
                sha256_of(reader)


def test_an_archive_that_goes_away_or_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    spoils: list[Callable[[], object]] = [path.unlink, functools.partial(os.truncate, path, 2048)]
    for spoil in spoils:
        path.write_bytes(archive(LAYERS))
        with pytest.raises(NotAnImageError) as caught:
            _read_spoilt(path, spoil)
        assert str(path) in caught.value.message
        assert "damaged archive" in caught.value.message


def test_layers_are_claimed_before_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(archive(LAYERS))
    with sources.opened(tmp_path / "archive", SourceRequest()) as source:
        assert [layer.diff_id for layer in source.layers()] == [f"sha256:{digest}" for digest in DIFF_IDS]
        assert [layer.name for layer in source.layers()] == list(PATHS)
        assert source.image().names == ("registry.example/shapes:1.0",)
        assert hashlib.sha256(LAYERS[1]).hexdigest() in PATHS[1]
