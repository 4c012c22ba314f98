"""A push past a fault: what is in the registry after it."""

from __future__ import annotations

from tests.destinations.pushing import Pusher, push
from tests.images import random_packed
from tests.testbed.registry import FaultProxy, Registry

SIZE = 256 * 1024
UPLOADS, BLOBS, MANIFESTS = "/blobs/uploads/", "/blobs/sha256:", "/manifests/"
REQUESTS_OF_A_PUSH = (
    ("GET", "^/v2/$"),
    ("HEAD", BLOBS),
    ("POST", UPLOADS),
    ("PATCH", UPLOADS),
    ("PUT", UPLOADS),
    ("HEAD", MANIFESTS),
    ("PUT", f"{MANIFESTS}sha256:"),
    ("PUT", f"{MANIFESTS}latest"),
)
"""The methods and the parts of paths that `push_past` asks for."""


def assert_complete(registry: Registry, repository: str, digest: str) -> None:
    """The tag names the image, and every blob of it is there."""
    assert registry.digest(repository, "latest") == digest
    manifest = registry.manifest(repository, "latest")
    assert manifest
    for descriptor in [manifest["config"], *manifest["layers"]]:
        assert registry.blob(repository, descriptor["digest"]) is not None


def push_past(proxy: FaultProxy, registry: Registry, pusher: Pusher, *, layers: int = 1) -> str:
    """Push two megabytes past the fault that was set, check what is there after it; the repository.

    A session whose PATCH broke is answered 404 from then on, and so cannot be ended: docker-registry purges it.
    """
    packed, repository = random_packed(7, layers, size=SIZE), registry.new_repository()
    push(packed, pusher.destination(proxy.host, repository, tags=("latest",)))
    assert proxy.pending == 0, "the fault was never met"
    assert_complete(registry, repository, packed.descriptor.digest)
    assert len(registry.open_uploads(repository)) <= len(
        [gone for gone in proxy.of("DELETE") if gone.status == 404]
    )
    return repository
