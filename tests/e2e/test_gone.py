"""What is published and is gone a moment later, and two who publish at once: the image is whole, and the run ends well."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest

from flakeship.errors import UnreachableError
from flakeship.image.seal import sealed
from tests.e2e.forging import INDEX, Forged, digest_of, layer
from tests.e2e.publishing import runner
from tests.testbed.nix import MakeFlake
from tests.testbed.registry import FaultProxy, Registry
from tests.testbed.registry_faults import Answer

pytestmark = pytest.mark.slow

LAYERS: Final = [layer(name, size=5000) for name in ("one", "two", "three")]


@pytest.fixture(params=["tar", "tar.gz"])
def honest(request: pytest.FixtureRequest, registry: Registry, proxy: FaultProxy, tmp_path: Path) -> Forged:
    made = Forged(registry, proxy, tmp_path, LAYERS, str(request.param))
    made.publish(labels=("a=1",))
    return made


def blobs(image: Forged) -> list[str]:
    return [entry["digest"] for entry in image.documents()[0]["layers"]]


def test_gone_between_reading_and_writing(honest: Forged) -> None:
    digest, config = honest.registry.digest(honest.repository, "1"), honest.documents()[0]["config"]

    def deleted(answer: Answer) -> Answer:
        for blob in (*blobs(honest), config["digest"]):
            honest.delete_blob(blob)
        assert honest.registry.request(
            "DELETE", f"{honest.repository}/manifests/{digest}", repository=honest.repository
        ).ok
        return answer

    honest.proxy.change_next("GET", f"/blobs/{config['digest']}", deleted)
    honest.publish(labels=("a=2",))
    honest.assert_right(labels={"a": "2"})
    honest.assert_copied()
    assert len(honest.read) == 3


def test_a_registry_that_remembers_what_it_has_lost(honest: Forged) -> None:
    """HEAD says that the blob is there, for as long as the registry's cache does; the manifest's refusal is the truth."""
    honest.forge(lambda m, _: m["annotations"].update(mine="1"))  # so that each blob is asked for
    lost = honest.documents()[0]["layers"][1]
    honest.delete_blob(lost["digest"])
    there = Answer(200, {"Content-Length": str(lost["size"])})
    honest.proxy.change_next("HEAD", f"/blobs/{lost['digest']}", lambda _: there)
    honest.publish(labels=("a=2",))
    assert honest.proxy.pending == 0
    assert len(honest.read) == 1
    honest.assert_right(labels={"a": "2"})


def first_alone(answer: Answer) -> Answer:
    if answer.status != 400:
        return answer
    errors = json.loads(answer.body)["errors"]
    return Answer(400, {"Content-Type": "application/json"}, json.dumps({"errors": errors[:1]}).encode())


def test_a_registry_that_tells_of_one_at_a_time(honest: Forged) -> None:
    for digest in blobs(honest):
        honest.delete_blob(digest)
    honest.proxy.change_next("PUT", "/manifests/", first_alone, times=9)
    honest.publish(labels=("a=2",))
    honest.assert_right(labels={"a": "2"})
    assert sorted(honest.read) == sorted(set(honest.read)), "each was read once"


def test_a_registry_that_keeps_nothing(honest: Forged) -> None:
    lost = blobs(honest)[1]
    refusal = {"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "detail": {"digest": lost}}]}
    honest.proxy.fail_next("PUT", "/manifests/", status=400, times=9, body=json.dumps(refusal).encode())
    with pytest.raises(UnreachableError, match="just written are not there"):
        honest.publish(labels=("a=2",))


def test_two_publish_the_same_tag_at_once(honest: Forged, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    both = [
        Forged(
            honest.registry,
            honest.proxy,
            tmp_path / name,
            [*LAYERS, layer(name)],
            honest.shape,
            honest.repository,
        )
        for name in ("a", "b")
    ]
    for number in range(3):
        with ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(each.publish, labels=(f"number={number}",)) for each in both]
        digests = {
            str(run.result().packed.descriptor.digest): each for run, each in zip(runs, both, strict=True)
        }
        standing = honest.registry.digest(honest.repository, "1")
        digests[standing].assert_right(labels={"number": str(number)})
        assert all(honest.registry.manifest(honest.repository, digest) for digest in digests)


def index(digests: list[str]) -> bytes:
    entries = [{"mediaType": INDEX, "digest": digest, "size": 1} for digest in digests]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()


def test_an_index_that_holds_itself(honest: Forged) -> None:
    itself = digest_of(b"itself")
    answer = Answer(200, {"Content-Type": INDEX}, index([itself] * 8))
    honest.proxy.change_next("GET", "/manifests/(1|sha256:.*)$", lambda _: answer, times=999)
    before = len(honest.proxy.of("GET", "/manifests/"))
    honest.publish(labels=("a=2",))
    assert len(honest.proxy.of("GET", "/manifests/")) - before < 10
    honest.proxy.clear()
    honest.assert_right(labels={"a": "2"})


def test_indexes_in_indexes(honest: Forged) -> None:
    below = honest.registry.digest(honest.repository, "1")
    data = b""
    for _ in range(6):
        data = index([below] * 8)
        assert honest.put_manifest(data, INDEX, digest_of(data))
        below = digest_of(data)
    assert honest.put_manifest(data, INDEX)
    before = len(honest.proxy.of("GET"))
    honest.publish(labels=("a=2",))
    assert len(honest.proxy.of("GET")) - before < 12
    honest.assert_right(labels={"a": "2"})


@pytest.fixture
def flake(make_flake: MakeFlake) -> Path:
    return make_flake()


Publish = Callable[..., str]


@pytest.fixture
def publish(nix_environ: Mapping[str, str], flake: Path) -> Publish:
    """Runs in the flake's folder; what it says."""
    run = runner(nix_environ, flake)

    def published(*flags: str) -> str:
        done = run(*flags)
        assert done.returncode == 0, done.stderr
        return done.stderr

    return published


def test_what_was_not_to_be_built_is_built_where_a_layer_is_gone(
    publish: Publish, registry: Registry
) -> None:
    repository = registry.new_repository()
    flags = ("--flake", ".#layered", "--tags", f"{registry.host}/{repository}:1")
    publish(*flags, "--labels", "a=1")
    manifest = registry.manifest(repository, "1")
    assert manifest
    lost = manifest["layers"][0]["digest"]
    assert registry.request("DELETE", f"{repository}/blobs/{lost}", repository=repository).ok
    said = publish(*flags, "--labels", "a=2")
    assert "nothing is built" in said, "it was to be spared"
    assert "nix build" in said
    again = registry.manifest(repository, "1")
    assert again
    assert again["layers"] == manifest["layers"]
    assert registry.blob(repository, lost)


def repository_of(registry: Registry, proxy: FaultProxy, folder: Path, repository: str) -> Forged:
    return Forged(registry, proxy, folder, [], repository=repository)


def test_what_another_tool_changed_is_built_again(
    publish: Publish, registry: Registry, proxy: FaultProxy, tmp_path: Path
) -> None:
    """Its annotations still say that nothing need be done, and its config says what nobody asked for."""
    repository = registry.new_repository()
    flags = ("--flake", ".#layered", "--tags", f"{registry.host}/{repository}:1")
    publish(*flags, "--labels", "a=1")
    honest = registry.digest(repository, "1")
    forged = repository_of(registry, proxy, tmp_path, repository)
    forged.forge(lambda _, c: c["config"].update(Entrypoint=["/bin/evil"], Labels={"evil": "1"}))
    assert "nothing is built" not in publish(*flags, "--labels", "a=1")
    assert registry.digest(repository, "1") == honest


def evil(_: Any, config: dict[str, Any]) -> None:
    config["config"].update(Entrypoint=["/bin/evil"])


def test_who_writes_to_one_place_decides_nothing_at_another(
    publish: Publish, registry: Registry, proxy: FaultProxy, tmp_path: Path
) -> None:
    mine, theirs = registry.new_repository(), registry.new_repository()
    flags = ("--flake", ".#layered", "--tags", f"{registry.host}/{theirs}:1\n{registry.host}/{mine}:1")
    publish(*flags, "--labels", "a=1")
    honest = registry.digest(mine, "1")
    assert "nothing is built" in publish(*flags, "--labels", "a=2")
    repository_of(registry, proxy, tmp_path, theirs).forge(evil, reseal=True)
    assert "nothing is built" not in publish(*flags, "--labels", "a=1")
    assert registry.digest(mine, "1") == registry.digest(theirs, "1") == honest


def test_an_image_of_unknown_origin_beside_one_that_is_known(publish: Publish, registry: Registry) -> None:
    name = f"{registry.host}/{registry.new_repository()}"
    publish("--source", "archives/layered.tar", "--tags", f"{name}:1")
    publish("--flake", ".#layered", "--tags", f"{name}:2")
    assert "nothing is built" in publish("--flake", ".#layered", "--tags", f"{name}:1\n{name}:2")


def test_a_record_says_nothing_of_layers(
    publish: Publish, registry: Registry, proxy: FaultProxy, tmp_path: Path
) -> None:
    repository = registry.new_repository()
    flags = ("--flake", ".#layered", "--tags", f"{registry.host}/{repository}:1", "--labels")
    publish(*flags, "a=1")
    lie = {"rootfs": {"diff_ids": [f"sha256:{'ab' * 32}"] * 3}, "history": [{"empty_layer": True}] * 9}

    def changed(manifest: dict[str, Any], _: Any) -> None:
        record = json.loads(manifest["annotations"]["dev.flakeship.unstamp"])
        manifest["annotations"]["dev.flakeship.unstamp"] = json.dumps({**record, **lie})

    repository_of(registry, proxy, tmp_path, repository).forge(changed, reseal=True)
    assert "nothing is built" in publish(*flags, "b=1")
    reused = registry.digest(repository, "1")
    publish(*flags, "b=1", "--reuse", "off")
    assert registry.digest(repository, "1") == reused


def test_a_name_is_believed_only_where_it_is_written(
    publish: Publish, registry: Registry, proxy: FaultProxy, flake: Path, tmp_path: Path
) -> None:
    repository = registry.new_repository()
    flags = ("--flake", ".#layered", "--layer-cache", str(tmp_path / "cache"))
    places = ("--to", f"docker://{registry.host}/{repository}:1", "--to", "docker-archive:out.tar")
    publish(*flags, *places)
    with tarfile.open(flake / "out.tar") as honest:
        names = manifest_of(honest)["RepoTags"]
    forged = repository_of(registry, proxy, tmp_path, repository)
    forged.forge(lambda m, _: m["annotations"].update({"dev.flakeship.names": "alpine:latest"}), reseal=True)
    assert sealed(forged.documents()[0])["annotations"]["dev.flakeship.names"] == "alpine:latest"
    publish(*flags, *places)
    with tarfile.open(flake / "out.tar") as archive:
        assert manifest_of(archive)["RepoTags"] == names != ["alpine:latest"]


def manifest_of(archive: tarfile.TarFile) -> dict[str, Any]:
    member = archive.extractfile("manifest.json")
    assert member
    (entry,) = json.load(member)
    return dict(entry)
