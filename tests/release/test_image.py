"""The image of the action, in a real registry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flakeship.errors import Error
from release.image import ActionImage
from release.version import Version
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow
ONE = Version(1, 0, 0)
INDEX = "application/vnd.oci.image.index.v1+json"


def put(registry: Registry, repository: str, tag: str, *, revision: str, cpus: tuple[str, ...]) -> str:
    """An index of manifests without layers."""
    entries = []
    for cpu in cpus:
        config = json.dumps(
            {"architecture": cpu, "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
        )
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                **blob(registry, repository, config),
            },
            "layers": [],
        }
        digest, size = document(registry, repository, cpu, manifest)
        platform = {"os": "linux", "architecture": cpu}
        entries.append(
            {"mediaType": manifest["mediaType"], "digest": digest, "size": size, "platform": platform}
        )
    annotations = {"org.opencontainers.image.revision": revision}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries, "annotations": annotations}
    return document(registry, repository, tag, index)[0]


def blob(registry: Registry, repository: str, text: str) -> dict[str, object]:
    import hashlib

    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    place = registry.request("POST", f"{repository}/blobs/uploads/").headers["Location"].partition("/v2/")[2]
    assert registry.request("PUT", f"{place}&digest={digest}", data=text.encode()).status_code == 201
    return {"digest": digest, "size": len(text)}


def document(registry: Registry, repository: str, tag: str, content: dict[str, object]) -> tuple[str, int]:
    data = json.dumps(content).encode()
    headers = {"Content-Type": str(content["mediaType"])}
    path = f"{repository}/manifests/{tag}"
    stored = registry.request("PUT", path, data=data, headers=headers)
    assert stored.status_code == 201, stored.text
    return stored.headers["Docker-Content-Digest"], len(data)


@pytest.fixture
def image(registry: Registry) -> ActionImage:
    return ActionImage(f"{registry.host}/{registry.new_repository()}")


def test_an_image_of_the_commit_is_found_and_none_of_another_is_taken(
    registry: Registry, image: ActionImage
) -> None:
    repository = image.name.partition("/")[2]
    assert image.published(ONE, "abc") == ""
    both = ("amd64", "arm64")
    digest = put(registry, repository, "1.0.0", revision="abc", cpus=both)
    assert image.published(ONE, "abc") == digest
    assert image.publish(Path("none"), ONE, "abc", created="0") == digest, "it is not pushed again"
    with pytest.raises(Error, match="was made from abc, and not from def"):
        image.published(ONE, "def")
    put(registry, repository, "1.0.0", revision="abc", cpus=("amd64",))
    with pytest.raises(Error, match=r"is for .*amd64.*, and not for"):
        image.published(ONE, "abc")


def test_the_major_tag_names_the_same_bytes(registry: Registry, image: ActionImage) -> None:
    repository = image.name.partition("/")[2]
    digest = put(registry, repository, "1.0.0", revision="abc", cpus=("amd64", "arm64"))
    image.move_major_tag(ONE, digest)
    assert registry.digest(repository, "1") == digest
    assert image.named("1") == (digest, ("linux/amd64", "linux/arm64"))
    assert image.named("2") == ("", ())
    with pytest.raises(Error, match="holds no sha256:0"):
        image.move_major_tag(ONE, f"sha256:{'0' * 64}")


def test_a_package_that_may_not_be_read_is_as_good_as_none_until_it_is_pushed(
    basic_registry: Registry,
) -> None:
    """GHCR answers so where there is no package yet."""
    name = f"{basic_registry.host}/none"
    assert ActionImage(name).published(ONE, "abc") == ""
    with pytest.raises(Error, match=r"401|403"):
        ActionImage(name).publish(Path("none"), ONE, "abc", created="0")


def test_a_private_image_gets_no_name_that_others_use(basic_registry: Registry) -> None:
    repository = basic_registry.new_repository()
    image = ActionImage(
        f"{basic_registry.host}/{repository}", basic_registry.username, basic_registry.password
    )
    digest = put(basic_registry, repository, "1.0.0", revision="abc", cpus=("amd64", "arm64"))
    assert image.published(ONE, "abc") == digest
    with pytest.raises(Error, match="not everybody may pull it") as raised:
        image.move_major_tag(ONE, digest)
    assert "make the package public" in raised.value.hint
    assert "1" not in basic_registry.tags(repository)
