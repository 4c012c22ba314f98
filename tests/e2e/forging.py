"""A published image that lies: changed behind the back of who published it, and a look at what is published after it."""

from __future__ import annotations

import copy
import gzip
import hashlib
import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from flakeship.commands.publish.result import Result
from flakeship.events import Event, LayerProgress
from flakeship.image.seal import sealed
from flakeship.metadata.syntax.lists import Placed
from flakeship.settings.declaration import Settings
from tests.runtimes import publish_one, runtime
from tests.testbed import archive_shapes
from tests.testbed.registry import FaultProxy, Registry
from tests.testbed.registry_faults import Answer

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"

Document = dict[str, Any]
Change = Callable[[Document, Document], Any]
"""Changes manifest and config in place, or gives the bytes to answer in the manifest's stead."""


def layer(name: str, *, size: int = 6) -> bytes:
    """The tar of one file."""
    return archive_shapes.packed([archive_shapes.Item(name, name.encode().ljust(size, b"."))])


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class Forged:
    """A repository that holds an image of `layers`; `publish` goes through the proxy, as all that is forged does."""

    registry: Registry
    proxy: FaultProxy
    folder: Path
    layers: Sequence[bytes]
    shape: str = "tar"
    repository: str = ""
    tag: str = "1"
    basis: str = "1"
    """The tag of the image that is changed; what comes of it is at `tag`."""
    told: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.repository = self.repository or self.registry.new_repository()

    @property
    def truth(self) -> list[str]:
        return list(map(digest_of, self.layers))

    @property
    def read(self) -> list[str]:
        """Layers that the last run read."""
        return [
            each.name for each in self.told if isinstance(each, LayerProgress) and each.state == "reading"
        ]

    def publish(self, **settings: Any) -> Result:
        data = archive_shapes.archive(self.layers)
        source = self.folder / f"image.{self.shape}"
        source.write_bytes(gzip.compress(data, 1) if self.shape == "tar.gz" else data)
        around, self.told = runtime(self.folder)
        asked = {"source": str(source), "tags": (self.reference,), "layer_cache": "off", **settings}
        return publish_one(Settings(**{key: _placed(key, value) for key, value in asked.items()}), around)

    @property
    def reference(self) -> str:
        return f"{self.proxy.host}/{self.repository}:{self.tag}"

    def documents(self, tag: str = "") -> tuple[Document, Document]:
        manifest = self.registry.manifest(self.repository, tag or self.tag)
        assert manifest
        config = self.registry.blob(self.repository, manifest["config"]["digest"])
        assert config
        return manifest, json.loads(config)

    def forge(self, change: Change, *, reseal: bool = False) -> None:
        """By whoever may push; what the registry itself would not take is put into its answer.

        With `reseal` the forger knows of the seal.
        """
        manifest, config = self.documents(self.basis)
        before = copy.deepcopy(config)
        raw = change(manifest, config)
        if config != before:
            manifest["config"] |= self.put_blob(json.dumps(config).encode())
        if reseal and isinstance(manifest.get("annotations"), dict):
            manifest = sealed(manifest)
        data = raw if isinstance(raw, bytes) else json.dumps(manifest).encode()
        if not self.put_manifest(data, manifest.get("mediaType")):
            answer = Answer(200, {"Content-Type": str(manifest.get("mediaType"))}, data)
            self.proxy.change_next("GET", f"/manifests/{self.tag}$", lambda _: answer)

    def put_manifest(self, data: bytes, media_type: Any, reference: str = "") -> bool:
        return self.registry.request(
            "PUT",
            f"{self.repository}/manifests/{reference or self.tag}",
            repository=self.repository,
            data=data,
            headers={"Content-Type": media_type if isinstance(media_type, str) else MANIFEST},
        ).ok

    def put_blob(self, data: bytes) -> Document:
        """Its digest and size, as a descriptor has them."""
        begun = self.registry.request("POST", f"{self.repository}/blobs/uploads/", repository=self.repository)
        path = begun.headers["Location"].partition("/v2/")[2]
        put = self.registry.request(
            "PUT", f"{path}&digest={digest_of(data)}", repository=self.repository, data=data
        )
        assert put.ok, put.text
        return {"digest": digest_of(data), "size": len(data)}

    def delete_blob(self, digest: str) -> None:
        assert self.registry.request(
            "DELETE", f"{self.repository}/blobs/{digest}", repository=self.repository
        ).ok

    def assert_right(self, *, labels: Mapping[str, str] | None = None) -> None:
        """Every byte of the image is there, is what it is said to be, and is what the source says."""
        manifest, config = self.documents()
        assert config["rootfs"]["diff_ids"] == self.truth
        for descriptor, diff_id in zip(manifest["layers"], self.truth, strict=True):
            blob = self.registry.blob(self.repository, descriptor["digest"])
            assert blob is not None, "a layer is missing"
            assert (digest_of(blob), len(blob)) == (descriptor["digest"], descriptor["size"])
            assert descriptor["mediaType"].endswith("tar+gzip")
            assert digest_of(gzip.decompress(blob)) == diff_id
        assert manifest["config"]["size"] == len(
            self.registry.blob(self.repository, manifest["config"]["digest"]) or b""
        )
        if labels is not None:
            assert {key: config["config"]["Labels"].get(key) for key in labels} == labels

    def assert_copied(self) -> None:
        """By skopeo, to a folder: it checks what it reads."""
        target = self.folder / "copied"
        command = ["skopeo", "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false"]
        done = subprocess.run(
            [*command, f"docker://{self.registry.host}/{self.repository}:{self.tag}", f"dir:{target}"],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()


def _placed(name: str, value: Any) -> Any:
    """The lines of an input of docker/metadata-action know where they stand."""
    return tuple(map(Placed, value)) if name in {"tags", "labels", "annotations"} else value
