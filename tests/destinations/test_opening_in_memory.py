"""How a repository is opened: what of it is looked at, what may be mounted, and when nothing is sent."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flakeship.destinations.options import DestinationOptions, PushOptions, RegistryOptions
from flakeship.destinations.protocol import BlobsUnknownError, Destination
from flakeship.destinations.registry.destination import RegistryDestination
from flakeship.destinations.registry.dry_run import DryRun
from flakeship.destinations.registry.opening import opened
from flakeship.destinations.registry.reusable import Reuse
from flakeship.destinations.withheld import Withheld
from flakeship.destinations.written_blobs import WrittenBlobs
from flakeship.errors import NotAllowedError, UnreachableError, UsageError
from flakeship.events import Detail, Notice
from flakeship.image.index import seal_index
from flakeship.image.model import Packed
from flakeship.image.stream import sha256_of
from flakeship.registry.client import RegistryClient
from flakeship.registry.credential_search import FoundCredentials
from flakeship.registry.credentials import Credentials
from flakeship.registry.reference import Reference
from tests.destinations.pushing import Pusher, push
from tests.images import digests, packed_of, random_layer, random_packed
from tests.testbed.registry_faults import Answer
from tests.testbed.registry_memory import (
    MemoryRegistry,
    _token_registry,
    basic_registry,
    registry,
)
from tests.testbed.registry_proxy import FaultProxy

FOUND = Credentials("me", "canary-password")


def options(
    pusher: Pusher,
    *,
    found: FoundCredentials | None = None,
    push: PushOptions | None = None,
    dry_run: bool = False,
    **more: Any,
) -> DestinationOptions:
    chosen = found or FoundCredentials(None, "")
    return DestinationOptions(
        emit=pusher.events.append,
        push=push or PushOptions(),
        registry=RegistryOptions(session=pusher.transport, credentials=lambda _: chosen, **more),
        dry_run=dry_run,
        zstd=False,
        environ={},
        home=Path("/nonexistent"),
        temporary=lambda: Path("/nonexistent"),
        stdout=io.BytesIO(),
    )


@contextlib.contextmanager
def place(
    host: str, given: DestinationOptions, *, repository: str = "o/n", tags: tuple[str, ...] = ("1",)
) -> Iterator[Destination]:
    with opened(Reference(host, repository), tags, given) as it:
        yield it


def looked_at(it: Destination) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]], bool, tuple[str, ...]]:
    """The tags of the repository, those of others, whether they are looked at in any case, and what is mounted."""
    assert isinstance(it, RegistryDestination)
    assert it._reuse
    others = {client.repository: tags for client, tags in it._reuse.others}
    return it._reuse.tags, others, it._reuse.always, it._uploads._mount_from


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, (("latest", "main", "edge"), {}, False, ())),
        ({"default_branch": "trunk"}, (("trunk", "latest", "main", "edge"), {}, False, ())),
        ({"default_branch": "no/tag"}, (("latest", "main", "edge"), {}, False, ())),
        ({"reuse_from": (":a", "b", "1")}, (("a", "b"), {}, True, ())),
        (
            {"reuse_from": ("HOST/o/n:x", "HOST/o/n", "HOST/other/n:y", "HOST/other/n", "else.example/n:z")},
            (("x", "latest"), {"other/n": ("y", "latest")}, True, ("other/n",)),
        ),
        (
            {"pulled_from": ("docker://HOST/base/n:y", f"docker://HOST/base/n@sha256:{'1' * 64}")},
            (
                ("latest", "main", "edge"),
                {"base/n": ("y", f"sha256:{'1' * 64}")},
                False,
                ("base/n",),
            ),
        ),
    ],
)
def test_where_layers_are_looked_for(
    inputs: dict[str, Any], expected: object, registry: MemoryRegistry, pusher: Pusher
) -> None:
    told: dict[str, Any] = {
        key: value if isinstance(value, str) else tuple(text.replace("HOST", registry.host) for text in value)
        for key, value in inputs.items()
    }
    with place(registry.host, options(pusher, **told)) as it:
        assert looked_at(it) == expected


@pytest.mark.parametrize(
    ("another_user", "lost", "states"),
    [
        (False, False, {"mounted", "uploaded"}),
        (False, True, {"uploaded"}),
        (True, False, {"uploaded"}),
    ],
)
def test_the_next_image_of_a_run_mounts_what_the_last_one_left(
    token_registry: MemoryRegistry,
    pusher: Pusher,
    another_user: bool,
    lost: bool,
    states: set[str],
) -> None:
    """By a request that is made in any case; with other credentials, which may not read there, it is not tried."""
    mine = FoundCredentials(Credentials(token_registry.username, token_registry.password), "input")
    given = options(pusher, found=mine, written=WrittenBlobs())
    shared, own, others = random_layer(1), random_layer(2), random_layer(3)
    api, web = token_registry.new_repository(), token_registry.new_repository()
    with place(token_registry.host, given, repository=api) as it:
        assert isinstance(it, RegistryDestination)
        push(packed_of(shared, own), it)
    if another_user:
        yours, written = Credentials("you", "x"), WrittenBlobs()
        written.note(pusher.client(token_registry.host, api, login=yours), [shared.descriptor.digest])
        given = options(pusher, found=mine, written=written)
    if lost:
        token_registry.blobs.clear()
    with place(token_registry.host, given, repository=web) as it:
        assert isinstance(it, RegistryDestination)
        published = push(packed_of(shared, others), it)
    assert {blob.state for blob in published.blobs} == states
    posts = [
        access.path
        for access in token_registry.accesses(web)
        if access.method == "POST" and access.status != 401
    ]
    mounts = [path for path in posts if "mount=" in path]
    assert len(mounts) == (not another_user), "what nobody has is not asked for"
    assert len(posts) == 1 + 3, "one to see whether we may push, and one for each blob"


def test_nothing_is_looked_for_where_nothing_is_reused(registry: MemoryRegistry, pusher: Pusher) -> None:
    with place(registry.host, options(pusher, reuse=False)) as it:
        assert isinstance(it, RegistryDestination)
        before = len(registry.asked)
        assert it.existing() == ()
        assert len(registry.asked) == before


def test_a_tag_that_is_none_is_refused(pusher: Pusher) -> None:
    with (
        pytest.raises(UsageError, match="is not a tag"),
        place("127.0.0.1:1", options(pusher, reuse_from=(":a:b",))),
    ):
        pass


def test_who_may_push_is_told_by_where_the_credentials_were_found(
    basic_registry: MemoryRegistry, pusher: Pusher
) -> None:
    right = FoundCredentials(Credentials(basic_registry.username, basic_registry.password), "the inputs")
    with place(basic_registry.host, options(pusher, found=right)) as it:
        assert isinstance(it, RegistryDestination)
    assert [event.text for event in pusher.of(Notice)] == [
        f"{basic_registry.host}/o/n: credentials from the inputs"
    ]
    assert basic_registry.open_uploads("o/n") == []
    wrong = FoundCredentials(FOUND, "the inputs")
    with (
        pytest.raises(NotAllowedError, match="does not accept the credentials of the inputs"),
        place(basic_registry.host, options(pusher, found=wrong)),
    ):
        pass


@pytest.mark.parametrize(
    ("found", "push", "given_to_job", "why"),
    [
        (None, PushOptions(policy="false"), False, "`push` is false"),
        (None, PushOptions(untrusted="a fork"), False, "a fork"),
        (FOUND, PushOptions(untrusted="a fork"), True, "a fork"),
        (FOUND, PushOptions(untrusted="a fork"), False, None),
        (None, PushOptions(secrets_kept="a fork"), False, "a fork; "),
        (None, PushOptions(policy="true", secrets_kept="a fork"), False, None),
        (None, PushOptions(), False, None),
    ],
)
def test_when_nothing_is_sent(  # noqa: PLR0917 - what is tried, and the fixtures
    found: Credentials | None,
    push: PushOptions,
    given_to_job: bool,
    why: str | None,
    basic_registry: MemoryRegistry,
    pusher: Pusher,
) -> None:
    told = options(
        pusher,
        found=FoundCredentials(found, "here") if found else None,
        push=push,
        given_to_job=lambda credentials: given_to_job and credentials is found,
    )
    before = len([asked for asked in basic_registry.asked if asked.status == 202])
    if why is None:
        with pytest.raises(NotAllowedError), place(basic_registry.host, told):
            pass
    else:
        with place(basic_registry.host, told) as it:
            assert isinstance(it, Withheld)
            assert it.prepare(random_packed(1)).finish().tags == (f"{basic_registry.host}/o/n:1",)
        (detail,) = pusher.of(Detail)
        assert f"{basic_registry.host}/o/n is sent nothing: {why}" in detail.text
    assert len([asked for asked in basic_registry.asked if asked.status == 202]) == before


def test_a_dry_run_asks_and_sends_nothing(registry: MemoryRegistry, pusher: Pusher) -> None:
    packed, repository = random_packed(71), registry.new_repository()
    keep(registry, repository, packed, "1")
    again = packed_of(*packed.layers[:2], random_packed(72).layers[0], seed=2)
    before = len(registry.asked)
    with place(registry.host, options(pusher, dry_run=True), repository=repository) as it:
        assert isinstance(it, DryRun)
        assert it._inner._client._connection._scopes == (f"repository:{repository}:pull",)
        (image,) = it.existing() or ()
        assert [layer.digest for layer in image.layers if layer] == [
            layer.descriptor.digest for layer in packed.layers
        ]
        assert [it.take(layer).state for layer in again.layers] == ["reused", "reused", "withheld"]
        published = it.prepare(again).finish()
        assert not published.sent
        assert published.why
        assert [blob.state for blob in published.blobs] == ["reused", "reused", "withheld", "withheld"]
    assert {asked.method for asked in registry.asked[before:]} == {"GET", "HEAD"}


@pytest.mark.parametrize("status", [503, 429, 403, 401])
def test_a_dry_run_knows_what_it_may_not_look_at(
    status: int, registry: MemoryRegistry, proxy: FaultProxy, pusher: Pusher
) -> None:
    """It pushes nothing that would fail later: a registry that can't answer now is its error, and a refusal is told."""
    repository = registry.new_repository()
    keep(registry, repository, random_packed(73), "1")
    proxy.fail_next("GET", "/manifests/", status=status, times=99)
    with place(proxy.host, options(pusher, dry_run=True), repository=repository) as it:
        assert isinstance(it, DryRun)
        if status in {429, 503}:
            with pytest.raises(UnreachableError, match=str(status)):
                it.existing()
        else:
            assert not it.existing()
            assert any("can't be looked at" in notice.text for notice in pusher.of(Notice))


def test_a_run_that_fails_keeps_no_pause_that_a_registry_asks_for(
    registry: MemoryRegistry, proxy: FaultProxy, pusher: Pusher
) -> None:
    proxy.fail_next("GET", "/pause", status=503, headers={"Retry-After": "5"})
    with contextlib.ExitStack() as scope:
        it = scope.enter_context(place(proxy.host, options(pusher)))
        assert isinstance(it, RegistryDestination)
        transport = it._client.transport
        transport.exchange("GET", f"http://{proxy.host}/pause", headers={}).close()
        assert not scope.__exit__(UnreachableError, UnreachableError("it is down"), None)
    transport.exchange("GET", f"http://{proxy.host}/v2/", headers={}).close()
    assert pusher.clock.slept == []


# What is there


def keep(registry: MemoryRegistry, repository: str, packed: Packed, *tags: str) -> None:
    """Have the image there, as if it had been pushed."""
    registry.blobs[repository, packed.config_descriptor.digest] = packed.config
    for layer in packed.layers:
        assert layer.open
        registry.blobs[repository, layer.descriptor.digest] = layer.open().read()
    for reference in (packed.descriptor.digest, *tags):
        registry.manifests[repository, reference] = packed.descriptor.media_type, packed.manifest


def reusing(
    pusher: Pusher, host: str, repository: str, tags: tuple[str, ...], reuse: Reuse
) -> RegistryDestination:
    client = pusher.client(host, repository)
    return RegistryDestination(client, tags=tags, reuse=reuse, emit=pusher.events.append)


def found(it: RegistryDestination) -> list[str]:
    return [image.config_descriptor.digest for image in it.existing()]


def configs(*images: Packed) -> list[str]:
    return [image.config_descriptor.digest for image in images]


def test_other_tags_are_looked_at_where_those_to_write_are_not_there(
    registry: MemoryRegistry, pusher: Pusher
) -> None:
    first, second, third = (random_packed(seed, layers=1, size=10) for seed in (81, 82, 83))
    here, there = registry.new_repository(), registry.new_repository()
    keep(registry, here, first, "1")
    keep(registry, here, second, "main")
    keep(registry, there, third, "x")
    others = ((pusher.client(registry.host, there), ("none", "x")),)
    for tags, reuse, images in (
        (("1",), Reuse(("main",)), (first,)),
        (("new",), Reuse(("main",)), (second,)),
        (("new", "1"), Reuse(("main",)), (first,)),
        (("1",), Reuse(("main",), always=True), (first, second)),
        (("1",), Reuse((), others), (first, third)),
        (("new",), Reuse(("main",), others), (second, third)),
        ((), Reuse(()), ()),
    ):
        assert found(reusing(pusher, registry.host, here, tags, reuse)) == configs(*images)
    destination = reusing(pusher, registry.host, here, ("1",), Reuse((), others))
    for image in destination.existing():
        for layer in filter(None, image.layers):
            with destination.open_blob(layer) as blob:
                assert sha256_of(blob) == (layer.digest, layer.size)


def test_an_index_has_eight_images_that_are_looked_at(registry: MemoryRegistry, pusher: Pusher) -> None:
    repository = registry.new_repository()
    images = [random_packed(seed, layers=1, size=10) for seed in range(90, 99)]
    for image in images:
        keep(registry, repository, image)
    index = seal_index([image.descriptor for image in (*images, images[0])])
    pusher.destination(registry.host, repository, tags=("all",)).prepare_index(index).finish()
    assert found(reusing(pusher, registry.host, repository, ("all",), Reuse())) == configs(*images[:8])
    nested = seal_index([index.descriptor, images[8].descriptor])
    pusher.destination(registry.host, repository, tags=("nested",)).prepare_index(nested).finish()
    assert found(reusing(pusher, registry.host, repository, ("nested",), Reuse())) == configs(images[8])
    assert any("is of no use for reuse" in event.text for event in pusher.of(Detail))


def test_what_an_image_lists_is_asked_for_where_another_manifest_shall_list_it(
    registry: MemoryRegistry, proxy: FaultProxy, pusher: Pusher
) -> None:
    """Nothing is asked twice: of layers before the manifest that is new, of the old config never."""
    packed, repository = random_packed(84), registry.new_repository()
    keep(registry, repository, packed, "1")
    listed = [replace(layer, open=None) for layer in packed.layers]

    def again(image: Packed) -> list[str]:
        destination = reusing(pusher, proxy.host, repository, ("1",), Reuse())
        assert destination.existing()
        proxy.requests.clear()
        for layer in listed:
            assert destination.take(layer).state == "reused"
        assert proxy.requests == []
        destination.prepare(image).finish()
        return [f"{asked.method} {asked.path.rpartition('/')[2]}" for asked in proxy.requests]

    assert again(packed) == ["HEAD 1"]
    changed = packed_of(*packed.layers, seed=85)
    asked = again(changed)
    heads = [line for line in asked if line.startswith("HEAD sha256:")]
    assert sorted(heads) == sorted(
        f"HEAD {digest}" for digest in (changed.config_descriptor.digest, *digests(packed)[:-1])
    )


def test_a_listed_blob_that_is_gone_is_named(registry: MemoryRegistry, pusher: Pusher) -> None:
    packed, repository = random_packed(86), registry.new_repository()
    keep(registry, repository, packed, "1")
    destination = reusing(pusher, registry.host, repository, ("1",), Reuse())
    destination.existing()
    gone = packed.layers[1]
    del registry.blobs[repository, gone.descriptor.digest]
    listed = [replace(layer, open=None) for layer in packed.layers]
    for layer in listed:
        destination.take(layer)
    changed = packed_of(*listed, seed=87)
    with pytest.raises(BlobsUnknownError) as raised:
        destination.prepare(changed)
    assert raised.value.digests == {gone.descriptor.digest}
    manifests = [asked for asked in registry.accesses(f"{repository}/manifests/") if asked.method == "PUT"]
    assert not manifests
    assert destination.take(gone, certain=False).state == "uploaded"
    assert destination.prepare(changed).finish().digest == changed.descriptor.digest


@pytest.mark.parametrize("kind", ["image", "index"])
def test_images_of_an_index_are_written_before_it(
    kind: str, registry: MemoryRegistry, proxy: FaultProxy, pusher: Pusher
) -> None:
    repository = registry.new_repository()
    images = [random_packed(seed, layers=1, size=10) for seed in (101, 102)]
    destination = pusher.destination(proxy.host, repository, tags=("1",))
    for image in images:
        destination.take(image.layers[0])
    index = seal_index(images)
    if kind == "image":  # one of them is there
        keep(registry, repository, images[0])
    published = destination.prepare_index(index).finish()
    assert [blob.digest for blob in published.blobs] == [
        digest for image in images for digest in digests(image)
    ]
    written = [asked.path.rpartition("/")[2] for asked in proxy.of("PUT", "/manifests/")]
    those = [image.descriptor.digest for image in images][1 if kind == "image" else 0 :]
    assert set(written[:-2]) == set(those), "at once"
    assert written[-2:] == [index.descriptor.digest, "1"]


@pytest.mark.parametrize(
    ("said", "there"), [("RIGHT", True), ("0", True), ("", True), ("1", False), ("MORE", False)]
)
def test_a_blob_of_another_size_is_sent(
    said: str, there: bool, proxy: FaultProxy, registry: MemoryRegistry, pusher: Pusher
) -> None:
    """Some registries report no size, or 0."""
    (layer,) = random_packed(103, layers=1).layers
    size = layer.descriptor.size
    length = {"RIGHT": str(size), "MORE": str(size + 1)}.get(said, said)
    headers = {"Content-Length": length} if length else {"Transfer-Encoding": "chunked"}
    repository = registry.new_repository()
    registry.blobs[repository, layer.descriptor.digest] = b"x"
    proxy.change_next("HEAD", "/blobs/sha256:", lambda _: Answer(200, headers))
    state = pusher.destination(proxy.host, repository).take(layer).state
    assert state == ("reused" if there else "uploaded")


def test_a_session_that_became_a_blob_is_not_deleted(registry: MemoryRegistry, pusher: Pusher) -> None:
    before = len(registry.asked)
    with place(registry.host, options(pusher), repository=registry.new_repository()) as it:
        it.take(random_packed(104, layers=1).layers[0])
    paths = {
        method: [each.path for each in registry.asked[before:] if each.method == method]
        for method in ("DELETE", "PUT")
    }
    (deleted,), (finished,) = (
        [path.partition("?")[0] for path in paths[method]] for method in ("DELETE", "PUT")
    )
    assert deleted != finished, "that of the check, which may be deleted late"


@pytest.mark.parametrize(
    ("statuses", "limit"), [((429, 500), 1), ((502, 503), 1), ((504, 504), 1), ((408, 425), None)]
)
def test_which_answers_count_as_trouble(
    statuses: tuple[int, ...], limit: int | None, registry: MemoryRegistry, proxy: FaultProxy, pusher: Pusher
) -> None:
    for status in statuses:
        proxy.fail_next("POST", "/uploads/", status=status)
    destination = pusher.destination(proxy.host, registry.new_repository())
    assert destination.take(random_packed(105, layers=1).layers[0]).state == "uploaded"
    assert destination._uploads._limit.limit == limit
