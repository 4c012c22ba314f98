"""Every shape of docker-archive that is an image: what builders, skopeo and docker have been seen to write, by name."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.testbed import archives
from tests.testbed.archives import DIFF_IDS, LAYERS, member

EMPTY_LAYER: Final = bytes(1024)
PATHS: Final = tuple(f"{digest}/layer.tar" for digest in DIFF_IDS)


@dataclass(frozen=True, slots=True)
class Item:
    """One member of an archive; `link` makes it a link to there."""

    name: str
    data: bytes = b""
    kind: bytes = tarfile.REGTYPE
    link: str = ""


def packed(
    items: Sequence[Item], *, style: int = tarfile.PAX_FORMAT, pax: Mapping[str, str] | None = None
) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=style) as tar:
        for item in items:
            info = member(item.name, kind=item.kind, size=len(item.data))
            info.linkname, info.pax_headers = item.link, dict(pax or {})
            tar.addfile(info, io.BytesIO(item.data))
    return buffer.getvalue()


def config_of(layers: Sequence[bytes], **changes: Any) -> dict[str, Any]:
    """A config that fits these layers. A change to None is written as null."""
    diff_ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    document = {
        **archives.config(),
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [
            {"created": "1970-01-01T00:00:01+00:00", "comment": f"layer {n}"} for n in range(len(layers))
        ],
    }
    return {**document, **changes}


def documents(config: Mapping[str, Any] | bytes, paths: Sequence[str], *, prefix: str = "") -> list[Item]:
    """The config and manifest.json."""
    text = config if isinstance(config, bytes) else json.dumps(config, indent=4).encode()
    name = f"{hashlib.sha256(text).hexdigest()}.json"
    entry = {"Config": name, "RepoTags": ["registry.example/shapes:1.0"], "Layers": list(paths)}
    return [Item(prefix + name, text), Item(f"{prefix}manifest.json", json.dumps([entry]).encode())]


def archive(layers: Sequence[bytes] = LAYERS, *, text: bytes | None = None, **changes: Any) -> bytes:
    """As streamLayeredImage writes it, with keys of the config changed, or all of its text."""
    paths = [f"{hashlib.sha256(layer).hexdigest()}/layer.tar" for layer in layers]
    items = [Item(path, layer) for path, layer in zip(paths, layers, strict=True)]
    return packed([*items, *documents(text or config_of(layers, **changes), paths)])


def _linked(kind: bytes, target: str) -> bytes:
    layers = (*LAYERS, LAYERS[0])
    items = [Item(path, layer) for path, layer in zip(PATHS, LAYERS, strict=True)]
    items.append(Item("again/layer.tar", kind=kind, link=target))
    return packed([*items, *documents(config_of(layers), [*PATHS, "again/layer.tar"])])


def _skopeo_base() -> bytes:
    items: list[Item] = []
    for digest, layer in zip(DIFF_IDS, LAYERS, strict=True):
        identity = hashlib.sha256(layer + b"id").hexdigest()
        items += [
            Item(f"{digest}.tar", layer),
            Item(f"{identity}/VERSION", b"1.0"),
            Item(f"{identity}/layer.tar", kind=tarfile.SYMTYPE, link=f"../{digest}.tar"),
            Item(f"{identity}/json", json.dumps({"id": identity}).encode()),
        ]
    return packed([*items, *documents(config_of(LAYERS), [f"{digest}.tar" for digest in DIFF_IDS])])


def _member_twice() -> bytes:
    items = [Item(path, layer) for path, layer in zip(PATHS, LAYERS, strict=True)]
    stale = Item(PATHS[0], archives.layer_tar({"etc/stale": b"the last one counts"}))
    return packed([stale, *items, *documents(config_of(LAYERS), PATHS)])


def _repeated() -> bytes:
    items = [Item(path, layer) for path, layer in zip(PATHS, LAYERS, strict=True)]
    paths = (*PATHS, PATHS[1], PATHS[1])
    return packed([*items, *documents(config_of((*LAYERS, LAYERS[1], LAYERS[1])), paths)])


def _config_first() -> bytes:
    config, manifest = documents(config_of(LAYERS), PATHS)
    return packed([config, *(Item(p, d) for p, d in zip(PATHS, LAYERS, strict=True)), manifest])


def _prefixed() -> bytes:
    items = [Item(f"./{path}", layer) for path, layer in zip(PATHS, LAYERS, strict=True)]
    return packed(
        [Item("./", kind=tarfile.DIRTYPE), *items, *documents(config_of(LAYERS), PATHS, prefix="./")]
    )


def _long_names(style: int) -> bytes:
    paths = [f"{'d' * 90}/{'e' * 90}/{digest}/layer-ü.tar" for digest in DIFF_IDS]
    items = [Item(path, layer) for path, layer in zip(paths, LAYERS, strict=True)]
    pax = {"mtime": "1.5"} if style == tarfile.PAX_FORMAT else None
    return packed([*items, *documents(config_of(LAYERS), paths)], style=style, pax=pax)


def _inner_gzip() -> bytes:
    items = [Item(p, gzip.compress(layer, 1, mtime=0)) for p, layer in zip(PATHS, LAYERS, strict=True)]
    return packed([*items, *documents(config_of(LAYERS), PATHS)])


def _old_format() -> bytes:
    """A layer in the tar of 1979, which has no magic: all that tells it is that it is no JSON."""
    block = bytearray(tarfile.TarInfo("etc/old").tobuf(tarfile.USTAR_FORMAT))
    block[257:] = bytes(255)
    block[148:156] = b"        "
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return archive((bytes(block) + bytes(1024), *LAYERS))


_OS_VERSION: Final[dict[str, Any]] = {"os.version": "1"}
_NULLS: Final[dict[str, Any]] = {
    "Cmd": [None, "/bin/hello"],
    "Entrypoint": None,
    "Env": None,
    "ExposedPorts": {"80/tcp": None, "443/tcp": {}},
    "Volumes": {"/data": None},
    "Labels": {"empty": None},
    "WorkingDir": None,
    "Healthcheck": {"Test": ["CMD", "true"], "Interval": None},
    "StopSignal": None,
}

SHAPES: Final[Mapping[str, Callable[[], bytes]]] = {
    "layered": archives.layered,
    "buildImage": archives.build_image,
    "config first": _config_first,
    "symlinked layer": lambda: _linked(tarfile.SYMTYPE, f"../{PATHS[0]}"),
    "hardlinked layer": lambda: _linked(tarfile.LNKTYPE, PATHS[0]),
    "skopeo base": _skopeo_base,
    "member twice": _member_twice,
    "repeated diff_id": _repeated,
    "./ prefixes": _prefixed,
    "pax headers": lambda: _long_names(tarfile.PAX_FORMAT),
    "GNU long names": lambda: _long_names(tarfile.GNU_FORMAT),
    "microseconds": lambda: archive(created="2026-11-21T01:53:13.858343+00:00"),
    "nulls": lambda: archive(config=_NULLS, author=None, variant=None, history=None),
    "stray keys": lambda: archive(preferLocalBuild=True, allowSubstitutes=False, **_OS_VERSION),
    "config: null": lambda: archive(config=None),
    "no layers": lambda: archive(()),
    "empty layer": lambda: archive((*LAYERS, EMPTY_LAYER)),
    "layer of no bytes": lambda: archive((*LAYERS, b"")),
    "gzip layers": _inner_gzip,
    "old tar": _old_format,
    "history with empty layers": lambda: archive(
        history=[{"created_by": "ENV", "empty_layer": True}, *({"comment": str(n)} for n in range(3))]
    ),
    "history that does not fit": lambda: archive(history=[{"comment": "one of three"}]),
}
