"""The bytes of image archives in the shapes that nixpkgs' dockerTools writes, made without nixpkgs."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import zstandard

BUSYBOX = Path("/bin/busybox")
STORE_BUSYBOX = "/nix/store/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a-busybox-1.35"
STORE_HELLO = "/nix/store/1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b-hello-2.12"
TREES: tuple[Mapping[str, bytes | str], ...] = (
    {f"{STORE_BUSYBOX}/bin/busybox": BUSYBOX.read_bytes()},
    {f"{STORE_HELLO}/bin/hello": f"#! {STORE_BUSYBOX}/bin/busybox sh\necho 'Hello, world!'\n".encode()},
    {"bin/hello": f"{STORE_HELLO}/bin/hello", "etc/motd": b"customisation layer\n"},
)
"""The layers of every archive: files (bytes) and symlinks (str) by path; the last one is the customisation layer."""

CONFIG: Mapping[str, Any] = {
    "Cmd": ["/bin/hello"],
    "Entrypoint": None,
    "Labels": {"org.opencontainers.image.title": "shapes"},
}


def member(
    name: str, *, kind: bytes = tarfile.REGTYPE, size: int = 0, mode: int = 0o444, mtime: int = 1
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode, info.mtime = kind, size, mode, mtime
    return info


def layer_tar(tree: Mapping[str, bytes | str]) -> bytes:
    """The tar of a layer: parents before children, absolute names for the store, `./` for the customisation layer."""
    buffer = io.BytesIO()
    absolute = next(iter(tree)).startswith("/")
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        parents = {str(parent) for path in tree for parent in Path(path).parents} - {"/", "."}
        for path in sorted(parents | set(tree)):
            name, content = path if absolute else f"./{path}", tree.get(path)
            if content is None:
                tar.addfile(member(name, kind=tarfile.DIRTYPE, mode=0o755))
            elif isinstance(content, str):
                link = member(name, kind=tarfile.SYMTYPE, mode=0o777)
                link.linkname = content
                tar.addfile(link)
            else:
                tar.addfile(member(name, size=len(content), mode=0o555), io.BytesIO(content))
    return buffer.getvalue()


LAYERS = tuple(layer_tar(tree) for tree in TREES)
DIFF_IDS = tuple(hashlib.sha256(layer).hexdigest() for layer in LAYERS)


def config(*, created: str = "1970-01-01T00:00:01+00:00", architecture: str = "amd64") -> dict[str, Any]:
    comments = [f"store paths: ['{path}']" for path in (STORE_BUSYBOX, STORE_HELLO)] + ["store paths: []"]
    return {
        "created": created,
        "architecture": architecture,
        "os": "linux",
        "config": dict(CONFIG),
        "rootfs": {"diff_ids": [f"sha256:{digest}" for digest in DIFF_IDS], "type": "layers"},
        "history": [{"created": created, "comment": comment} for comment in comments],
    }


def outer(members: Iterable[tuple[str, bytes | None]], *, mtime: int = 1) -> bytes:
    """The archive itself; a member without bytes is a directory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in members:
            if data is None:
                tar.addfile(member(name, kind=tarfile.DIRTYPE, mode=0o555, mtime=mtime))
            else:
                tar.addfile(member(name, size=len(data), mode=0o644, mtime=mtime), io.BytesIO(data))
    return buffer.getvalue()


def layered(tag: str = "registry.example/shapes:1.0") -> bytes:
    """streamLayeredImage's stdout: layers, config, manifest.json last."""
    text = json.dumps(config(), indent=4).encode()
    name = f"{hashlib.sha256(text).hexdigest()}.json"
    paths = [f"{digest}/layer.tar" for digest in DIFF_IDS]
    manifest = json.dumps([{"Config": name, "RepoTags": [tag], "Layers": paths}], indent=4).encode()
    return outer([*zip(paths, LAYERS, strict=True), (name, text), ("manifest.json", manifest)])


def build_image(tag: str = "registry.example/shapes:1.0") -> bytes:
    """buildImage's tarball: sorted members, directories not named by diff_id, a stray key in the config."""
    document = config(created="1970-01-01T00:00:01Z") | {
        "preferLocalBuild": True,
        "config": {**CONFIG, "Env": []},
    }
    text = json.dumps(document, indent=2).encode() + b"\n"
    name = f"{hashlib.sha256(text).hexdigest()}.json"
    directories = [hashlib.sha256(b"legacy" + layer).hexdigest() for layer in LAYERS]
    members: dict[str, bytes | None] = {"./": None, name: text}
    for directory, layer in zip(directories, LAYERS, strict=True):
        legacy = json.dumps({"id": directory, "os": "linux"}).encode()
        members |= {
            f"{directory}/": None,
            f"{directory}/VERSION": b"1.0",
            f"{directory}/json": legacy,
            f"{directory}/layer.tar": layer,
        }
    paths = [f"{directory}/layer.tar" for directory in directories]
    members["manifest.json"] = json.dumps([{"RepoTags": [tag], "Layers": paths, "Config": name}]).encode()
    repository, _, version = tag.rpartition(":")
    members["repositories"] = json.dumps({repository: {version: directories[-1]}}).encode()
    return outer(sorted(members.items()), mtime=315532800)


def merged(*tags: str) -> bytes:
    """mergeImages' result: one archive, several entries in manifest.json."""
    text = json.dumps(config(), indent=4).encode()
    name = f"{hashlib.sha256(text).hexdigest()}.json"
    paths = [f"{digest}/layer.tar" for digest in DIFF_IDS]
    manifest = json.dumps([{"Config": name, "RepoTags": [tag], "Layers": paths} for tag in tags]).encode()
    return outer([*zip(paths, LAYERS, strict=True), (name, text), ("manifest.json", manifest)])


def write_all(folder: Path) -> None:
    """The files that tests/flakes/shapes/flake.nix hands over."""
    folder.mkdir()
    for name, data in _files().items():
        (folder / name).write_bytes(data)


@functools.cache
def _files() -> Mapping[str, bytes]:
    """Hundreds of tests write them: they are compressed once."""
    plain, several = layered(), merged("registry.example/one:1", "registry.example/two:2")
    return {
        "layered.tar": plain,
        "layered.tar.gz": gzip.compress(plain, 1, mtime=0),
        "layered.tar.zst": zstandard.ZstdCompressor(level=1).compress(plain),
        "docker-image-shapes.tar.gz": gzip.compress(build_image(), 1, mtime=0),
        "merge-docker-images": gzip.compress(several, 1, mtime=0),
    }
