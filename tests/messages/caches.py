"""What is wrong with a Nix cache, on the page of messages: a run goes on without it, and one warning says why.

A registry in memory is behind the fault proxy; the run is the cache's part of one, which reads the cache and then writes to it.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from flakeship.caches.packs.manifest import CONFIG, INDEX_TYPE, RootManifest, encode_manifest
from flakeship.caches.packs.registry import RegistryRepository
from flakeship.caches.packs.repository import read_root
from flakeship.caches.packs.signing import SecretKey
from flakeship.events import Warned
from flakeship.image.document import encode as encode_json
from flakeship.image.media_types import OCI
from flakeship.image.model import digest_of
from flakeship.report.plain import line_of
from tests.caches.packs.scene import MAIN, Scene, holds, open_scene, some_paths
from tests.testbed.registry_memory import MemoryRegistry, memory_registry
from tests.testbed.registry_proxy import FaultProxy, fault_proxy

_NAME: Final = "me/app/nix-cache"
_PATHS: Final = some_paths(2)
_NEW: Final = some_paths(1, seed="new")
_JSON: Final = {"Content-Type": "application/json"}
_IMAGE: Final = {
    "schemaVersion": 2,
    "mediaType": OCI.manifest,
    "config": {"mediaType": OCI.config, "digest": digest_of(CONFIG), "size": len(CONFIG)},
    "layers": [],
}


@dataclass
class CacheCase:
    """One thing that is wrong. `prepared` does it, when the cache holds two paths; `key` is what the run reads with."""

    title: str
    prepared: Callable[[At], object]
    key: SecretKey | None = None
    empty: bool = False
    """Whether there is no cache yet."""


@dataclass
class At:
    """A cache in a registry, by its own address and by that of the proxy, which a run uses."""

    scene: Scene
    memory: MemoryRegistry
    proxy: FaultProxy
    behind: RegistryRepository = field(init=False)

    def __post_init__(self) -> None:
        self.behind = self.scene.registry(self.memory.host, _NAME)

    def answers(
        self, status: int, part: str, *, code: str = "", message: str = "", methods: str = "GET"
    ) -> None:
        body = encode_json({"errors": [{"code": code, "message": message}]}) if code else b""
        for method in methods.split():
            self.proxy.fail_next(method, part, status=status, times=999, body=body, headers=_JSON)

    def put(self, tag: str, manifest: bytes) -> None:
        self.behind.upload(digest_of(CONFIG), len(CONFIG), partial(io.BytesIO, CONFIG))
        there = self.behind.manifest(tag)
        assert self.behind.put(tag, manifest, instead_of=there.digest if there else None)

    def index_of_a_later_version(self) -> None:
        root = read_root(self.behind, MAIN.tag)
        assert root
        self.put(
            MAIN.tag,
            encode_manifest(root.manifest).replace(
                INDEX_TYPE.encode(), INDEX_TYPE.replace("v1", "v2").encode()
            ),
        )

    def damaged_index(self) -> None:
        data = b"{}"
        self.behind.upload(digest_of(data), len(data), partial(io.BytesIO, data))
        self.put(MAIN.tag, encode_manifest(RootManifest((digest_of(data), len(data)), (), {})))

    def packs(self) -> list[Any]:
        root = read_root(self.behind, MAIN.tag)
        assert root
        return list(root.index.packs)

    def without_pack(self) -> None:
        for digest in self.packs():
            del self.memory.blobs[_NAME, digest]

    def damaged_pack(self) -> None:
        for digest in self.packs():
            data = self.memory.blobs[_NAME, digest]
            self.memory.blobs[_NAME, digest] = data[:20] + bytes(9) + data[29:]


_SEED: Final = bytes(32)
_POINT: Final = Ed25519PrivateKey.from_private_bytes(_SEED).public_key().public_bytes_raw()
KEY: Final = SecretKey.parse(f"app-1:{base64.b64encode(_SEED + _POINT).decode()}")
_UPLOADS: Final = "/blobs/uploads/"
_SENT: Final = "POST PATCH PUT"

CACHES: Final = (
    CacheCase("A cache that another key has signed", lambda at: None, KEY),
    CacheCase("A tag of a cache that names an image", lambda at: at.put(MAIN.tag, encode_json(_IMAGE))),
    CacheCase("A repository that holds images", lambda at: at.put("latest", encode_json(_IMAGE)), empty=True),
    CacheCase("A cache of a later flakeship", At.index_of_a_later_version),
    CacheCase("A cache whose index is damaged", At.damaged_index),
    CacheCase("A cache that lost a pack", At.without_pack),
    CacheCase("A cache whose pack is damaged", At.damaged_pack),
    CacheCase("A cache that asks for credentials", lambda at: at.answers(401, "/v2/", code="UNAUTHORIZED", message="authentication required", methods="GET HEAD POST")),
    CacheCase("A cache that may not be read", lambda at: at.answers(403, "/v2/", code="DENIED", message="requested access to the resource is denied", methods="GET HEAD POST")),
    CacheCase("A cache that may not be written", lambda at: at.answers(403, _UPLOADS, code="DENIED", message="requested access to the resource is denied", methods=_SENT)),
    CacheCase("A registry that limits requests for a cache", lambda at: at.answers(429, "/v2/", code="TOOMANYREQUESTS", message="rate exceeded", methods="GET HEAD POST")),
    CacheCase("A registry that makes no repository for a cache", lambda at: at.answers(404, _UPLOADS, code="NAME_UNKNOWN", message="repository name not known to registry", methods=_SENT)),
    CacheCase("A registry without nested names", lambda at: at.answers(400, _UPLOADS, code="NAME_INVALID", message="invalid repository name", methods=_SENT)),
    CacheCase("A registry whose quota is reached", lambda at: at.answers(403, _UPLOADS, code="DENIED", message="quota exceeded", methods=_SENT)),
    CacheCase("A registry that breaks while it is read", lambda at: at.answers(503, "/blobs/sha256", code="UNKNOWN", message="no healthy upstream")),
)  # fmt: skip


def warnings_of(case: CacheCase, folder: Path) -> list[str]:
    """The warnings of a run, as the log shows them."""
    with open_scene(folder) as scene, memory_registry() as memory, fault_proxy(memory.host) as proxy:
        at = At(scene, memory, proxy)
        if not case.empty:
            scene.write(at.behind, _PATHS)
        case.prepared(at)
        scene.events.clear()
        repository = scene.registry(proxy.host, _NAME)
        cache = scene.cache(repository, keys=[case.key.public] if case.key else [], patience=60)
        holds(cache, _PATHS)
        if not cache.unreachable:
            scene.write(repository, _NEW, after=cache, key=case.key)
        lines = [line_of(event)[1] for event in scene.events if isinstance(event, Warned)]
    return [_constant(line.replace(proxy.host, "127.0.0.1:5000")) for line in lines]


def _constant(text: str) -> str:
    """Without what differs from run to run: an index holds the time."""
    text = re.sub(r"[0-9a-df-np-sv-z]{32}-p\d+\b", f"{'0' * 32}-app-1.0", text)
    return re.sub(r"sha256:[0-9a-f]{12,}", "sha256:0123456789ab", text)
