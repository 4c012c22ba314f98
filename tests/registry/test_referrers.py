"""What is attached to a manifest, where a registry tells, where it does not, and where it lies. The API is a stand-in's; see there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from flakeship.attest.artifact import Artifact, manifest_of
from flakeship.errors import NotAllowedError, UnreachableError
from flakeship.image.model import Descriptor, Digest, digest_of
from flakeship.registry.client import RegistryClient
from flakeship.registry.referrers import Referrers, fallback_tag
from tests.destinations.pushing import Pusher
from tests.testbed.registry import Registry
from tests.testbed.registry_memory import memory_registry_of
from tests.testbed.registry_proxy import fault_proxy
from tests.testbed.registry_referrers import INDEX, Manner, ReferrersRegistry

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
SUBJECT = Descriptor(MANIFEST, digest_of(b"an image"), 8)


@pytest.fixture(scope="module")
def running() -> Iterator[ReferrersRegistry]:
    with memory_registry_of(ReferrersRegistry) as registry:
        yield registry


@pytest.fixture
def registry(running: ReferrersRegistry) -> ReferrersRegistry:
    running.manner = "tells"
    return running


def put(client: RegistryClient, registry: Registry, text: str, *, kind: str = "application/x") -> Descriptor:
    """One artifact, whose blobs are there already."""
    artifact = Artifact(
        kind="sbom", subject=SUBJECT, artifact_type=kind, data=text.encode(), annotations={"a": text}
    )
    made = manifest_of(artifact)
    for descriptor, data in made.blobs:
        client.commit(client.start_upload(), descriptor.digest, body=data)  # type: ignore[arg-type]
    client.put_manifest(made.descriptor.digest, made.data, media_type=MANIFEST)
    return made.descriptor


@pytest.fixture
def client(registry: ReferrersRegistry, pusher: Pusher) -> RegistryClient:
    return pusher.client(registry.host, registry.new_repository())


def index_in(registry: Registry, client: RegistryClient) -> list[dict[str, object]] | None:
    found = registry.manifest(client.repository, fallback_tag(SUBJECT.digest))
    return None if found is None else found["manifests"]


def test_pages_are_followed_and_no_index_is_written(
    registry: ReferrersRegistry, client: RegistryClient
) -> None:
    entries = [put(client, registry, text) for text in ("one", "two", "three")]
    Referrers(client).add(SUBJECT.digest, entries)
    assert index_in(registry, client) is None
    found = Referrers(client).of(SUBJECT.digest)
    assert {each.digest: (each.artifact_type, each.annotations["a"]) for each in found} == {
        each.digest: ("application/x", text)
        for each, text in zip(entries, ("one", "two", "three"), strict=True)
    }


@pytest.mark.parametrize("manner", ["lies", "shows HTML", "refuses"])
def test_what_is_not_read_back_is_listed_in_the_index(
    manner: Manner, registry: ReferrersRegistry, client: RegistryClient
) -> None:
    entries = [put(client, registry, "one")]
    registry.manner = manner
    Referrers(client).add(SUBJECT.digest, entries)
    listed = index_in(registry, client)
    assert listed == [entries[0].to_json()]
    assert listed[0]["artifactType"] == "application/x"
    assert Referrers(client).of(SUBJECT.digest) == tuple(entries)


def test_an_index_of_others_is_kept_and_a_poor_entry_gets_its_type(
    registry: ReferrersRegistry, client: RegistryClient
) -> None:
    """cosign lists a bundle as of type application/vnd.oci.empty.v1+json: https://github.com/sigstore/cosign/issues/4641."""
    mine, other = put(client, registry, "mine"), put(client, registry, "other")
    registry.manner = "lies"
    entry = {
        "mediaType": MANIFEST,
        "digest": mine.digest,
        "size": mine.size,
        "artifactType": "application/vnd.oci.empty.v1+json",
    }
    theirs = {**other.to_json(), "urls": ["kept"]}
    document = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [entry, theirs],
        "annotations": {"kept": "too"},
    }
    tag = fallback_tag(SUBJECT.digest)
    client.put_manifest(tag, json.dumps(document).encode(), media_type=INDEX)
    Referrers(client).add(SUBJECT.digest, [mine])
    assert index_in(registry, client) == [theirs, mine.to_json()]
    assert (registry.manifest(client.repository, tag) or {})["annotations"] == {"kept": "too"}


def test_what_a_cleaner_took_is_listed_no_more_where_that_is_refused(
    registry: ReferrersRegistry, client: RegistryClient
) -> None:
    """Registries refuse an index that names what they do not hold: one entry would be in the way of all later ones."""
    kept, gone, new = (put(client, registry, text) for text in ("kept", "gone", "new"))
    registry.manner = "lies"
    Referrers(client).add(SUBJECT.digest, [kept, gone])
    del registry.manifests[client.repository, gone.digest]
    Referrers(client).add(SUBJECT.digest, [new])
    assert index_in(registry, client) == [kept.to_json(), new.to_json()]


def test_the_index_is_read_too_where_the_registry_tells(
    registry: ReferrersRegistry, client: RegistryClient
) -> None:
    """What was attached before it learnt to tell."""
    registry.manner = "refuses"
    old = Descriptor(MANIFEST, Digest("sha256:" + "0" * 64), 3, artifact_type="application/old")
    registry.manifests[client.repository, fallback_tag(SUBJECT.digest)] = (
        INDEX,
        json.dumps({"schemaVersion": 2, "manifests": [old.to_json(), "no entry", {"digest": "no"}]}).encode(),
    )
    registry.manner = "tells"
    new = put(client, registry, "new")
    assert [each.digest for each in Referrers(client).of(SUBJECT.digest)] == [new.digest, old.digest]


@pytest.mark.parametrize("data", [b"<html>", b"[]", b'{"layers":[]}'])
def test_a_tag_that_is_no_index_is_not_written_over(
    data: bytes, registry: ReferrersRegistry, client: RegistryClient
) -> None:
    registry.manner = "lies"
    registry.manifests[client.repository, fallback_tag(SUBJECT.digest)] = (MANIFEST, data)
    with pytest.raises(NotAllowedError, match="is no index"):
        Referrers(client).add(SUBJECT.digest, [SUBJECT])


def test_two_writers_in_the_same_moment_lose_nothing(registry: ReferrersRegistry, pusher: Pusher) -> None:
    """Both have read the index before either writes it, and both have written it before either reads it back.

    A write that arrives when another has read back already takes its entry away: no registry offers what would prevent that.
    """
    registry.manner = "lies"
    repository = registry.new_repository()
    with fault_proxy(registry.host) as one, fault_proxy(registry.host) as two:
        clients = [pusher.client(each.host, repository) for each in (one, two)]
        entries = [put(each, registry, text) for each, text in zip(clients, ("one", "two"), strict=True)]
        tag = fallback_tag(SUBJECT.digest)
        holds = [each.hold_next("PUT", f"/manifests/{tag}") for each in (one, two)]
        met = Barrier(2)
        with ThreadPoolExecutor(2) as pool:

            def let_pass(number: int) -> None:
                assert holds[number].arrived.wait(20)
                reading = (one, two)[number].hold_next("GET", f"/manifests/{tag}")
                met.wait(20)
                holds[number].let_pass()
                assert reading.arrived.wait(20)
                met.wait(20)
                reading.let_pass()

            for number in (0, 1):
                pool.submit(let_pass, number)
            with ThreadPoolExecutor(2) as writers:
                done = [
                    writers.submit(Referrers(client).add, SUBJECT.digest, [entry])
                    for client, entry in zip(clients, entries, strict=True)
                ]
                for each in done:
                    each.result()
    found = registry.manifest(repository, tag) or {}
    assert {entry["digest"] for entry in found["manifests"]} == {each.digest for each in entries}


def test_entries_that_are_lost_each_time_are_told(
    registry: ReferrersRegistry, client: RegistryClient
) -> None:
    registry.manner = "lies"
    with fault_proxy(registry.host) as proxy:
        behind = RegistryClient(client.transport, proxy.host, client.repository, None)
        entry = put(behind, registry, "one")

        def forget(answer: object) -> object:
            registry.manifests.pop((client.repository, fallback_tag(SUBJECT.digest)), None)
            return answer

        proxy.change_next("PUT", "/manifests/sha256-", forget, times=9)  # type: ignore[arg-type]
        with pytest.raises(UnreachableError, match="written 3 times"):
            Referrers(behind).add(SUBJECT.digest, [entry])


def test_the_tag_of_a_long_digest_is_cut() -> None:
    """https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema."""
    assert fallback_tag(Digest(f"sha512:{'ab' * 64}")) == f"sha512-{'ab' * 32}"
