"""Reads of a repository: whatever fails on the way is asked for again, and a blob goes on from where it broke."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from flakeship.commands.connections import Connections
from flakeship.errors import UnreachableError
from flakeship.events import Retry
from flakeship.http.body import RequestBody
from flakeship.http.errors import WireError
from flakeship.image.model import Digest
from flakeship.registry.reading import RepositoryReader
from flakeship.registry.reference import Reference
from flakeship.settings.declaration import Settings
from tests.destinations.pushing import Pusher
from tests.images import opener
from tests.runtimes import runtime
from tests.testbed.registry import FaultProxy, Registry

pytestmark = pytest.mark.slow

DATA = bytes(range(256)) * 4000
DIGEST = Digest(f"sha256:{hashlib.sha256(DATA).hexdigest()}")
BLOB = "/blobs/sha256:"


@pytest.fixture
def repository(registry: Registry, pusher: Pusher) -> str:
    name = registry.new_repository()
    client = pusher.client(registry.host, name)
    session = client.start_upload()
    client.commit(session, DIGEST, body=RequestBody(opener(DATA), len(DATA), "it", pusher.events.append))
    return name


@pytest.fixture
def reader(proxy: FaultProxy, pusher: Pusher, repository: str) -> RepositoryReader:
    return RepositoryReader(pusher.client(proxy.host, repository, actions="pull"), "it")


def read(reader: RepositoryReader) -> bytes:
    with reader.open_blob(DIGEST) as blob:
        pieces = []
        while piece := blob.read(100_000):
            pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_blob_is_asked_for_again(
    status: int, reader: RepositoryReader, proxy: FaultProxy, pusher: Pusher
) -> None:
    proxy.fail_next("GET", BLOB, status=status, headers={"Retry-After": "1"})
    assert read(reader) == DATA
    assert [event.what for event in pusher.of(Retry)] == [f"reading of {DIGEST[:19]} of it"]


def test_a_blob_that_breaks_off_goes_on(reader: RepositoryReader, proxy: FaultProxy) -> None:
    proxy.fail_next(
        "GET", BLOB, status=200, body=DATA[:300_000], headers={"Content-Length": str(len(DATA))}, early=True
    )
    assert read(reader) == DATA
    first, second = (request for request in proxy.of("GET") if BLOB in request.path)
    assert "Range" not in first.headers
    assert second.headers["Range"].startswith("bytes=")


def test_a_registry_without_ranges_is_read_from_the_start(
    reader: RepositoryReader, proxy: FaultProxy
) -> None:
    whole = {"Content-Length": str(len(DATA))}
    proxy.fail_next("GET", BLOB, status=200, body=DATA[:300_000], headers=whole, early=True)
    proxy.fail_next("GET", BLOB, status=200, body=DATA, headers=whole)
    assert read(reader) == DATA


@pytest.mark.parametrize("said", ["", "bytes 7-", "bytes */9", "pages 1-2/3"])
def test_another_part_than_was_asked_for_is_no_answer(
    said: str, reader: RepositoryReader, proxy: FaultProxy
) -> None:
    proxy.fail_next(
        "GET", BLOB, status=200, body=DATA[:300_000], headers={"Content-Length": str(len(DATA))}, early=True
    )
    proxy.fail_next("GET", BLOB, status=206, body=b"x" * 10, headers={"Content-Range": said} if said else {})
    assert read(reader) == DATA


def test_sizes_and_manifests_are_asked_for_again(reader: RepositoryReader, proxy: FaultProxy) -> None:
    for method, pattern in (("HEAD", BLOB), ("GET", "/manifests/")):
        proxy.fail_next(method, pattern, status=503)
    assert reader.size(DIGEST) == len(DATA)
    assert reader.get_manifest("none") is None


def test_who_sends_on_what_is_read_does_not_try_all_again(
    reader: RepositoryReader, proxy: FaultProxy
) -> None:
    """Six tries within six tries would be an hour of waiting."""
    proxy.fail_next("GET", BLOB, status=503, times=99)
    with pytest.raises(WireError, match="tried 6 times") as raised:
        read(reader)
    assert not raised.value.transient


def test_a_server_that_drips_is_left(
    reader: RepositoryReader, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flakeship.registry.reading._RESUMED", 3)
    for start in range(6):
        status, part = (206, {"Content-Range": f"bytes {start}-"}) if start else (200, {})
        length = {"Content-Length": str(len(DATA) - start)}
        proxy.fail_next(
            "GET", BLOB, status=status, body=DATA[start : start + 1], headers=part | length, early=True
        )
    with reader.open_blob(DIGEST) as blob, pytest.raises(UnreachableError):
        list(iter(lambda: blob.read(1), b""))
    assert len([request for request in proxy.of("GET") if BLOB in request.path]) == 4


def connections(pusher: Pusher, folder: Path, **inputs: str) -> Connections:
    around, _ = runtime(folder)
    return replace(Connections.of(Settings(**inputs), around), session=pusher.transport())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("registry", "pushed_to", "given"),
    [
        ("", (), True),
        ("", ("a.example",), True),
        ("", ("b.example",), False),
        ("", ("b.example", "a.example"), True),
        ("a.example", ("b.example",), True),
        ("b.example", (), False),
        ("b.example", ("a.example",), False),
    ],
)
def test_whose_the_password_is(
    registry: str, pushed_to: tuple[str, ...], given: bool, pusher: Pusher, tmp_path: Path
) -> None:
    """Without `registry` it is for those that are pushed to, or where nothing is pushed for the one that is read."""
    told = connections(pusher, tmp_path, username="u", password="canary-5e1f", registry=registry)
    reader = told.reader(Reference.parse("a.example/x:1"), pushed_to=pushed_to)
    assert (reader._client.credentials is not None) == given


def test_a_reader_asks_for_no_right_to_push(token_registry: Registry, pusher: Pusher, tmp_path: Path) -> None:
    assert token_registry.tokens
    login = {"username": token_registry.username, "password": token_registry.password}
    told = connections(pusher, tmp_path, **login)
    reader = told.reader(Reference.parse(f"{token_registry.host}/{token_registry.new_repository()}:1"))
    assert reader.get_manifest("1") is None
    scopes = [scope for request in token_registry.tokens.requests for scope in request.query.get("scope", [])]
    assert scopes
    assert all(scope.endswith(":pull") for scope in scopes)
