"""Images that hold given store paths, a layer for each group of them, as Nix and flakeship make them: with or without a history."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.sources.layouts import CONFIG, GZIP, MANIFEST, Layout, sha256

_LETTERS: Final = "0123456789abcdfghijklmnpqrsvwxyz"


def store_path(name: str, salt: str = "") -> str:
    """A store path of this name; another salt makes another path, as another build would."""
    number = int.from_bytes(hashlib.sha256(f"{name}{salt}".encode()).digest()[:20], "big")
    return f"/nix/store/{''.join(_LETTERS[number >> 5 * place & 31] for place in range(32))}-{name}"


def paths_of(*names: str) -> list[str]:
    """Store paths; a name may have a salt behind `~`."""
    return [store_path(*name.split("~")) for name in names]


def layer_of(paths: Sequence[str], size: int = 0) -> bytes:
    """A tar with a file in each store path, and a file of each name with `.wh.` in it; `size` bytes of each do not compress."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in paths:
            content = hashlib.sha256(path.encode()).digest() * (size // 32 + 1)
            info = tarfile.TarInfo(path.lstrip("/") + ("" if ".wh." in path else "/file"))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def store_image(
    layout: Layout,
    *layers: Sequence[str],
    history: bool = True,
    architecture: str = "amd64",
    runtime: Mapping[str, Any] | None = None,
    annotations: Mapping[str, str] | None = None,
    size: int = 0,
    **more: Any,
) -> dict[str, Any]:
    """The descriptor of a manifest with a layer for each group of store paths, as `Layout.image`."""
    tars = [layer_of(paths, size) for paths in layers]
    config = {
        "os": "linux",
        "architecture": architecture,
        "config": dict(runtime or {}),
        "rootfs": {"type": "layers", "diff_ids": [sha256(tar) for tar in tars]},
        "history": [
            {"created_by": "test", "comment": f"store paths: {list(paths)}" if history else ""}
            for paths in layers
        ],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.json(config, CONFIG),
        "layers": [layout.blob(gzip.compress(tar, 1, mtime=0), GZIP) for tar in tars],
        **({"annotations": dict(annotations)} if annotations else {}),
    }
    return layout.json(manifest, MANIFEST, **more)


def image_folder(folder: Path, *layers: Sequence[str], **more: Any) -> Path:
    """A layout with one such image."""
    layout = Layout()
    return layout.listing(store_image(layout, *layers, **more)).folder(folder)
