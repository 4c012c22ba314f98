"""OCI layouts as buildx, skopeo, ggcr and docker save write them, made by hand: every digest right unless a test says so."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

OCI: Final = "application/vnd.oci.image."
DOCKER: Final = "application/vnd.docker."
GZIP: Final = f"{OCI}layer.v1.tar+gzip"
INDEX: Final = f"{OCI}index.v1+json"
MANIFEST: Final = f"{OCI}manifest.v1+json"
CONFIG: Final = f"{OCI}config.v1+json"
REF_NAME: Final = "org.opencontainers.image.ref.name"


def layer_tar(text: str) -> bytes:
    """A tar of one file `motd`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("motd")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(slots=True)
class Layout:
    """Blobs by digest, and what index.json lists."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    index: dict[str, Any] = field(default_factory=lambda: {"schemaVersion": 2, "manifests": []})

    def blob(self, data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        """Its descriptor."""
        self.blobs[sha256(data)] = data
        return {"mediaType": media_type, "digest": sha256(data), "size": len(data), **more}

    def json(self, document: Any, media_type: str, **more: Any) -> dict[str, Any]:
        return self.blob(json.dumps(document).encode(), media_type, **more)

    def image(
        self,
        *texts: str,
        architecture: str = "amd64",
        os: str = "linux",
        media_types: Mapping[str, str] | None = None,
        wrap: Any = lambda tar: gzip.compress(tar, 9),
        change: Mapping[str, Any] | None = None,
        runtime: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """The descriptor of a manifest with a layer for each text; `change` is of the manifest."""
        types = {"layer": GZIP, "config": CONFIG, "manifest": MANIFEST, **(media_types or {})}
        tars = [layer_tar(text) for text in texts or ("hello",)]
        config = {
            "os": os,
            "architecture": architecture,
            "config": dict(runtime or {"Cmd": ["/bin/app"]}),
            "rootfs": {"type": "layers", "diff_ids": [sha256(tar) for tar in tars]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": types["manifest"],
            "config": self.json(config, types["config"]),
            "layers": [self.blob(wrap(tar), types["layer"]) for tar in tars],
            **(change or {}),
        }
        return self.json(manifest, types["manifest"], **more)

    def platforms(self, *architectures: str, **more: Any) -> dict[str, Any]:
        """The descriptor of an index with an image for each."""
        children = [
            self.image(name, architecture=name, platform={"os": "linux", "architecture": name})
            for name in architectures
        ]
        return self.index_of(*children, **more)

    def index_of(self, *children: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        return self.json({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}, INDEX, **more)

    def listing(self, *entries: Mapping[str, Any]) -> Layout:
        self.index["manifests"] = list(entries)
        return self

    def files(self, version: str = "1.0.0") -> dict[str, bytes]:
        return {
            **{f"blobs/{digest.replace(':', '/')}": data for digest, data in self.blobs.items()},
            "index.json": json.dumps(self.index).encode(),
            "oci-layout": json.dumps({"imageLayoutVersion": version}).encode(),
        }

    def folder(self, path: Path, **more: Any) -> Path:
        for name, data in self.files(**more).items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
        return path

    def tar(self, path: Path, extra: Sequence[tuple[str, bytes]] = (), **more: Any) -> Path:
        with tarfile.open(path, "w") as tar:
            for name, data in [*self.files(**more).items(), *extra]:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return path
