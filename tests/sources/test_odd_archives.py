"""Archives of docker's that are odd, and images all the same; and what is said where a stream tells too late."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import zstandard

from flakeship import sources
from flakeship.errors import NotAnImageError
from flakeship.image.model import Layer
from flakeship.sources.opened import SourceRequest
from tests.image.making import WRAPS, check, made
from tests.sources.layouts import Layout, layer_tar, sha256
from tests.sources.store_trees import image_json
from tests.testbed.archive_shapes import Item, config_of, documents, packed

LAYERS: Final = tuple(map(layer_tar, ("one", "two", "three")))
DIFF_IDS: Final = tuple(sha256(layer).removeprefix("sha256:") for layer in LAYERS)
PATHS: Final = tuple(f"{digest}/layer.tar" for digest in DIFF_IDS)
IMAGE: Final = [
    *(Item(path, layer) for path, layer in zip(PATHS, LAYERS, strict=True)),
    *documents(config_of(LAYERS), PATHS),
]
CRANE: Final = [
    Item(f"sha256:{'1' * 64}", json.dumps(config_of(LAYERS)).encode()),
    *(Item(f"{digest}.tar.gz", gzip.compress(layer)) for digest, layer in zip(DIFF_IDS, LAYERS, strict=True)),
    Item(
        "manifest.json",
        json.dumps(
            [
                {
                    "Config": f"sha256:{'1' * 64}",
                    "RepoTags": None,
                    "Layers": [f"{digest}.tar.gz" for digest in DIFF_IDS],
                }
            ]
        ).encode(),
    ),
]


ODD: Final[dict[str, Sequence[Item]]] = {
    "links that nothing needs": [
        *IMAGE, Item("out", kind=tarfile.SYMTYPE, link="../../etc/passwd"), Item("abs", kind=tarfile.LNKTYPE, link="/x"),
    ],
    "a circle that nothing needs": [
        *IMAGE, Item("l", kind=tarfile.SYMTYPE, link="m"), Item("m", kind=tarfile.SYMTYPE, link="l"),
    ],
    "devices that nothing needs": [Item("null", kind=tarfile.CHRTYPE), *IMAGE, Item("pipe", kind=tarfile.FIFOTYPE)],
    "names that begin at the root": [
        *(replace(item, name=f"/{item.name}") for item in IMAGE[:-1]),
        Item("/other", kind=tarfile.LNKTYPE, link=f"/{IMAGE[0].name}"),
        IMAGE[-1],
    ],
    "as crane writes it": CRANE,
    "a layer in a linked folder": [
        *(Item(f"store/{path}", layer) for path, layer in zip(PATHS, LAYERS, strict=True)),
        *(Item(path.partition("/")[0], kind=tarfile.SYMTYPE, link=f"store/{path.partition('/')[0]}") for path in PATHS),
        *documents(config_of(LAYERS), PATHS),
    ],
    "the config is a link": [
        *IMAGE[:-2], Item("c", IMAGE[-2].data), Item(IMAGE[-2].name, kind=tarfile.LNKTYPE, link="c"), IMAGE[-1],
    ],
    "keys in small letters": [
        *IMAGE[:-1],
        Item("manifest.json", json.dumps([{"config": IMAGE[-2].name, "repotags": None, "LAYERS": PATHS}]).encode()),
    ],
    "members without content": [*(Item(f"empty/{n}") for n in range(300)), *IMAGE],
    "more files than any image has layers": [*(Item(f"x/{n}", layer_tar(str(n))) for n in range(200)), *IMAGE],
}  # fmt: skip


COMPRESS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd behind a frame without content": lambda data: (
        b"\x50\x2a\x4d\x18\4\0\0\0abcd" + zstandard.compress(data)
    ),
    "gzip in two members": lambda data: gzip.compress(data[:700], 1) + gzip.compress(data[700:], 1),
}


@pytest.mark.parametrize("name", COMPRESS)
def test_other_ways_to_compress(tmp_path: Path, name: str) -> None:
    """A whole archive, a layer in one, a whole layout, and a layer of it: which is packed anew if a manifest has no name for it."""
    compress = COMPRESS[name]
    tars, paths = LAYERS[1:], PATHS[1:]
    plain = [Item(path, tar) for path, tar in zip(paths, tars, strict=True)]
    layers = [Item(path, compress(tar)) for path, tar in zip(paths, tars, strict=True)]
    named = documents(config_of(tars), paths)
    layout = Layout()
    layout.listing(layout.image("one", wrap=compress))
    (tmp_path / "whole").write_bytes(compress(packed([*plain, *named])))
    (tmp_path / "inner").write_bytes(packed([*layers, *named]))
    (tmp_path / "both").write_bytes(compress(packed([*layers, *named])))
    (tmp_path / "layout.tar").write_bytes(compress(layout.tar(tmp_path / "layout").read_bytes()))
    for source in ("whole", "inner", "both"):
        result = made(tmp_path / source, tmp_path / "out")
        assert [layer.diff_id for layer in result.layers] == list(map(sha256, tars))
    for source in ("layout", "layout.tar"):
        result = made(tmp_path / source, tmp_path / "out")
        assert result.layers[0].diff_id == sha256(layer_tar("one"))
        assert (result.layers[0].descriptor.digest in layout.blobs) is (name not in {"xz", "bzip2"})


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("name", ODD)
def test_odd_archives(tmp_path: Path, name: str, wrap: str) -> None:
    (tmp_path / "archive").write_bytes(WRAPS[wrap](packed(ODD[name])))
    result = made(tmp_path / "archive", tmp_path / "out")
    check(result)
    assert [layer.diff_id for layer in result.layers] == [f"sha256:{digest}" for digest in DIFF_IDS]


@pytest.mark.parametrize("wrap", ["gzip", "zstd"])
@pytest.mark.parametrize(
    ("many", "handed_out"),
    [
        ([Item(f"e/{n}") for n in range(2000)], 3),
        ([Item(f"e/{n}", bytes(512)) for n in range(500)], 130),
        ([Item(f"e/{n}", layer_tar(str(n))[:1024]) for n in range(500)], 130),
    ],
    ids=["of no bytes", "of nothing", "small"],
)  # fmt: skip
def test_of_many_members_few_are_taken_for_layers(
    tmp_path: Path, many: Sequence[Item], handed_out: int, wrap: str
) -> None:
    """Each would be packed and sent."""
    (tmp_path / "archive").write_bytes(WRAPS[wrap](packed([*many, *IMAGE])))
    with sources.opened(tmp_path / "archive", SourceRequest()) as source:
        keys = [layer.key for layer in source.layers()]
        assert set(source.image().layers) <= set(keys)
    assert len(keys) <= handed_out


@pytest.mark.parametrize("wrap", WRAPS)
def test_a_layer_of_no_bytes_is_found_among_others(tmp_path: Path, wrap: str) -> None:
    """All of them are one layer."""
    layers = (b"", LAYERS[0], b"")
    paths = ("0/layer.tar", "1/layer.tar", "2/layer.tar")
    items = [Item(path, layer) for path, layer in zip(paths, layers, strict=True)]
    data = packed([Item("empty"), *items, *documents(config_of(layers), paths)])
    (tmp_path / "archive").write_bytes(WRAPS[wrap](data))
    assert [layer.diff_id for layer in made(tmp_path / "archive", tmp_path / "out").layers] == [
        sha256(layer) for layer in layers
    ]


def several(*, sort: bool) -> bytes:
    """Two images with a layer each of its own, as mergeImages sorts them, or one config after the other at the end."""
    configs = [documents(config_of(LAYERS[:2]), PATHS[:2]), documents(config_of(LAYERS[2:]), PATHS[2:])]
    listed = [
        json.loads(each[1].data)[0] | {"RepoTags": [f"r.example/{n}:1"]} for n, each in enumerate(configs)
    ]
    items = [*IMAGE[:-2], configs[0][0], configs[1][0]]
    if sort:
        items.sort(key=lambda item: item.name)
    return packed([*items, Item("manifest.json", json.dumps(listed).encode())])


@pytest.mark.parametrize("sort", [True, False])
@pytest.mark.parametrize("wrap", WRAPS)
def test_several_images_without_a_choice(tmp_path: Path, wrap: str, *, sort: bool) -> None:
    """Before anything is sent where that can be known; else it is said that something was."""
    (tmp_path / "archive").write_bytes(WRAPS[wrap](several(sort=sort)))
    with pytest.raises(NotAnImageError, match=r"holds 2 images: r\.example/0:1, r\.example/1:1") as caught:
        made(tmp_path / "archive", tmp_path / "out")
    assert ("If layers were sent before" in caught.value.message) is (wrap != "plain")
    assert "`image-in-archive`" in caught.value.hint
    chosen = made(tmp_path / "archive", tmp_path / "out", image_in_archive="r.example/1:1")
    assert [layer.diff_id for layer in chosen.layers] == [f"sha256:{DIFF_IDS[2]}"]


@pytest.mark.parametrize("wrap", ["gzip", "zstd"])
def test_a_second_config_is_a_reason_to_look_ahead(tmp_path: Path, wrap: str) -> None:
    """Two configs before any layer: nothing is sent."""
    items = [
        Item("a.json", json.dumps(config_of(LAYERS[:1])).encode()),
        Item("b.json", json.dumps(config_of(LAYERS[1:2])).encode()),
        *IMAGE[:2],
        Item(
            "manifest.json",
            json.dumps(
                [
                    {"Config": f"{name}.json", "RepoTags": [f"r.example/{name}:1"], "Layers": [path]}
                    for name, path in zip("ab", PATHS[:2], strict=True)
                ]
            ).encode(),
        ),
    ]
    (tmp_path / "archive").write_bytes(WRAPS[wrap](packed(items)))
    with sources.opened(tmp_path / "archive", SourceRequest()) as source:
        handed_out: list[Layer] = []
        with pytest.raises(NotAnImageError, match="holds 2 images") as caught:
            handed_out.extend(source.layers())
    assert handed_out == []
    assert "layers were sent" not in caught.value.message


@pytest.mark.parametrize("wrap", WRAPS)
def test_an_archive_that_was_cut_between_two_members_says_so(tmp_path: Path, wrap: str) -> None:
    whole = packed(IMAGE)
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        places = [member.offset for member in tar.getmembers()]
    for place in places:
        (tmp_path / "archive").write_bytes(WRAPS[wrap](whole[:place]))
        with pytest.raises(NotAnImageError) as caught:
            made(tmp_path / "archive", tmp_path / "out")
        if place:
            assert "is a damaged archive: it ends without the end-of-archive mark" in caught.value.message
            assert "'manifest.json'" in caught.value.message


def test_two_blobs_of_one_tar_of_nix2container(tmp_path: Path) -> None:
    tar = layer_tar("one")
    blobs = [gzip.compress(tar, level, mtime=0) for level in (1, 9)]
    layers = []
    for number, blob in enumerate(blobs):
        (tmp_path / f"blob{number}").write_bytes(blob)
        layers.append({
            "digest": sha256(blob), "size": len(blob), "diff_ids": sha256(tar),
            "mediatype": "application/vnd.oci.image.layer.v1.tar+gzip", "layer-path": str(tmp_path / f"blob{number}"),
        })  # fmt: skip
    (tmp_path / "image.json").write_bytes(image_json(layers))
    packed_image = made(tmp_path / "image.json", tmp_path / "out", store=tmp_path)
    check(packed_image)
    assert [layer.descriptor.digest for layer in packed_image.layers] == list(map(sha256, blobs))
