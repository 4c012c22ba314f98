"""`source: docker://REF`: an image of a registry, stamped anew. What was asked of whom is read off the registry's own log."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.e2e.publishing import Publish, Run, layers, publisher, runner
from tests.testbed import archives
from tests.testbed.registry import FaultProxy, Registry

pytestmark = pytest.mark.slow


@pytest.fixture
def run(nix_environ: Mapping[str, str], tmp_path: Path) -> Run:
    return runner(nix_environ, tmp_path)


@pytest.fixture
def publish(run: Run) -> Publish:
    return publisher(run)


def labels(registry: Registry, repository: str, reference: str) -> dict[str, str]:
    manifest = registry.manifest(repository, reference)
    assert manifest
    blob = registry.blob(repository, manifest["config"]["digest"])
    assert blob
    return dict(json.loads(blob)["config"].get("Labels") or {})


@pytest.fixture
def shipped(publish: Publish, registry: Registry, tmp_path: Path) -> str:
    """A repository with an image `:1.0` that carries the labels `run=first` and `only=first`."""
    (tmp_path / "image.tar").write_bytes(archives.layered())
    repository = registry.new_repository()
    tags, stamps = f"{registry.host}/{repository}:1.0", "run=first\nonly=first"
    publish("--source", "image.tar", "--tags", tags, "--labels", stamps)
    return repository


def pulled(registry: Registry, part: str) -> set[str]:
    """Digests of the blobs that somebody has read."""
    return {
        entry.path.rpartition("/")[2]
        for entry in registry.accesses(part)
        if entry.method == "GET" and "/blobs/sha256:" in entry.path
    }


def test_what_is_not_stamped_keeps_its_digest(publish: Publish, registry: Registry, shipped: str) -> None:
    """So does a copy on a laptop by itself; what a user stamped in an earlier run is never lost."""
    digest, asked = registry.digest(shipped, "1.0"), f"docker://{registry.host}/{shipped}"
    for flags, kept in [
        (("--auto-labels=false", "--created=keep"), True),
        (("--auto-labels=false", "--created=keep", "--user=1"), False),
        (("--auto-labels=false",), True),
        ((), True),
        (("--labels", "team=a"), False),
    ]:
        publish("--source", f"{asked}@{digest}", "--tags", f"{registry.host}/{shipped}:latest", *flags)
        assert (registry.digest(shipped, "latest") == digest) == kept, flags
        assert labels(registry, shipped, "latest")["only"] == "first"
    other = registry.new_repository()
    copied = publish(
        "--source",
        f"{asked}@{digest}",
        "--tags",
        f"{registry.host}/{other}:1",
        "--auto-labels=false",
        "--created=keep",
    )
    assert copied.endswith(digest)


def test_a_new_tag_of_the_same_image(publish: Publish, registry: Registry, shipped: str) -> None:
    source, target = f"docker://{registry.host}/{shipped}:1.0", f"{registry.host}/{shipped}:2.0"
    publish("--source", source, "--tags", target, "--labels", "run=second")
    assert labels(registry, shipped, "1.0")["only"] == "first"
    second = labels(registry, shipped, "2.0")
    assert second["run"] == "second"
    assert second["org.opencontainers.image.title"] == "shapes"
    assert second["only"] == "first", "what a user wrote stays"
    digests = layers(registry, shipped, "2.0")
    assert digests == layers(registry, shipped, "1.0")
    assert not pulled(registry, shipped) & set(digests)


def test_another_repository_mounts_the_layers(publish: Publish, registry: Registry, shipped: str) -> None:
    other = registry.new_repository()
    source, target = f"docker://{registry.host}/{shipped}:1.0", f"{registry.host}/{other}:1.0"
    publish("--source", source, "--tags", target, "--labels", "run=second")
    digests = layers(registry, other, "1.0")
    assert digests == layers(registry, shipped, "1.0")
    assert not pulled(registry, shipped) & set(digests)
    answers = {
        digest: entry.status
        for digest in digests
        for entry in registry.accesses(other)
        if f"mount={digest}" in entry.path.replace("%3A", ":")
    }
    assert answers == dict.fromkeys(digests, 201)


Copy: TypeAlias = Callable[[str], tuple[subprocess.CompletedProcess[str], str]]


@pytest.fixture
def copy(run: Run, basic_registry: Registry, shipped: str) -> Copy:
    """`copy(host)` publishes what is `shipped` there to the other registry: how it ended, and the repository."""

    def copy(host: str) -> tuple[subprocess.CompletedProcess[str], str]:
        repository = basic_registry.new_repository()
        done = run(
            *("--source", f"docker://{host}/{shipped}:1.0"),
            *("--tags", f"{basic_registry.host}/{repository}:1.0"),
            *("--registry", basic_registry.host, "--username", basic_registry.username),
            FLAKESHIP_PASSWORD=basic_registry.password,
        )
        return done, repository

    return copy


def test_another_registry_streams_the_layers(
    copy: Copy, registry: Registry, basic_registry: Registry, shipped: str
) -> None:
    done, repository = copy(registry.host)
    assert done.returncode == 0, done.stderr
    digests = layers(basic_registry, repository, "1.0")
    assert digests == layers(registry, shipped, "1.0")
    assert all(basic_registry.blob(repository, digest) for digest in digests)


def test_a_registry_that_stumbles_while_it_is_read(
    copy: Copy, proxy: FaultProxy, basic_registry: Registry, shipped: str, registry: Registry
) -> None:
    for digest in layers(registry, shipped, "1.0")[:2]:
        proxy.fail_next("GET", f"/blobs/{digest}", status=503)
        proxy.lose_response("GET", f"/blobs/{digest}")
    proxy.lose_response("GET", "/manifests/1.0")
    done, repository = copy(proxy.host)
    assert done.returncode == 0, done.stderr
    assert proxy.pending == 0
    assert layers(basic_registry, repository, "1.0") == layers(registry, shipped, "1.0")


def test_a_registry_that_lies(
    copy: Copy, proxy: FaultProxy, basic_registry: Registry, shipped: str, registry: Registry
) -> None:
    digest = layers(registry, shipped, "1.0")[0]
    proxy.change_next(
        "GET", f"/blobs/{digest}", lambda answer: replace(answer, body=answer.body[:-1] + b"!"), times=99
    )
    done, repository = copy(proxy.host)
    assert done.returncode == 4, done.stderr
    assert f"the blob {digest} has other content than its digest says" in done.stderr
    assert basic_registry.tags(repository) == []


@pytest.mark.parametrize("place", [0, 1])
def test_a_manifest_that_says_another_size(run: Run, registry: Registry, shipped: str, place: int) -> None:
    """Of its first blob, or of that when it is named once more; a registry compares no sizes."""
    manifest, other = registry.manifest(shipped, "1.0"), registry.new_repository()
    assert manifest
    true = manifest["layers"][0]
    manifest["layers"][place] = {**true, "size": true["size"] + 1}
    headers = {"Content-Type": manifest["mediaType"]}
    assert registry.request("PUT", f"{shipped}/manifests/lie", json=manifest, headers=headers).ok
    done = run("--source", f"docker://{registry.host}/{shipped}:lie", "--tags", f"{registry.host}/{other}:1")
    assert done.returncode == 4, done.stderr
    assert f"{true['digest']} has {true['size']} bytes instead of {true['size'] + 1}" in done.stderr
    assert registry.tags(other) == []


def test_into_a_layout(publish: Publish, registry: Registry, shipped: str, tmp_path: Path) -> None:
    publish("--source", f"docker://{registry.host}/{shipped}:1.0", "--to", "oci:layout:x")
    command = ["umoci", "unpack", "--rootless", "--image", f"{tmp_path}/layout:x", f"{tmp_path}/bundle"]
    subprocess.run(command, capture_output=True, check=True)
    assert (tmp_path / "bundle/rootfs/etc/motd").read_text() == "customisation layer\n"


def test_by_digest(publish: Publish, registry: Registry, shipped: str) -> None:
    digest = registry.digest(shipped, "1.0")
    source = f"docker://{registry.host}/{shipped}@{digest}"
    publish("--source", source, "--tags", f"{registry.host}/{shipped}:3.0")
    assert layers(registry, shipped, "3.0") == layers(registry, shipped, "1.0")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("{host}/{shipped}:none", "there is no image {host}/{shipped}:none"),
        ("{host}/nobody/nothing:1", "there is no image"),
        ("{host}/UPPER:1", "there is no image {host}/upper:1"),
    ],
)
def test_references_that_lead_nowhere(
    run: Run, registry: Registry, shipped: str, name: str, words: str
) -> None:
    filled = {"host": registry.host, "shipped": shipped}
    done = run("--source", f"docker://{name.format(**filled)}", "--tags", f"{registry.host}/{shipped}:new")
    assert done.returncode == 2, done.stderr
    assert words.format(**filled) in done.stderr
    assert "new" not in registry.tags(shipped)
