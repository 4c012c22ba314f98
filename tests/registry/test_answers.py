"""Answers as registries and the proxies before them really write them: what each means, and what is made of odd ones."""

from __future__ import annotations

import errno
import gzip
import json
import socket

import pytest

from flakeship.errors import Error, RejectedError, ResourceError
from flakeship.events import Notice
from flakeship.http.errors import BrokenConnectionError, WireError
from flakeship.image.media_types import DOCKER, OCI
from flakeship.registry.client import RegistryClient
from flakeship.registry.errors import ErrorAnswer, RegistryError, as_lost_commit
from flakeship.registry.hints import hint_for_manifest
from flakeship.registry.reading import RepositoryReader
from flakeship.registry.upload_answer import UploadSession
from tests.destinations.pushing import Pusher
from tests.http.scripted import Act, Scripted, answer, scripted
from tests.images import random_packed

PING = answer(200)
PACKED = random_packed(1, layers=1)
MANIFEST = PACKED.manifest
DIGEST = PACKED.descriptor.digest
ZIPPED = {"Content-Encoding": "gzip"}


def asked(pusher: Pusher, server: Scripted) -> RegistryClient:
    return pusher.client(server.host, "a/b")


# Content-Encoding


def test_a_manifest_that_was_compressed_on_its_way_is_read(pusher: Pusher) -> None:
    headers = {"Content-Type": OCI.manifest, "Docker-Content-Digest": DIGEST, **ZIPPED}
    with scripted(PING, answer(200, headers, gzip.compress(MANIFEST))) as server:
        found = asked(pusher, server).get_manifest("1")
    assert found
    assert (found.data, found.digest) == (MANIFEST, DIGEST)


def test_a_manifest_that_becomes_too_large_is_refused(pusher: Pusher) -> None:
    with scripted(PING, answer(200, ZIPPED, gzip.compress(bytes(5_000_000)))) as server:
        client = asked(pusher, server)
        with pytest.raises(WireError, match="larger than 4 MiB"):
            client.get_manifest("1")


def test_a_config_that_was_compressed_on_its_way_is_read(pusher: Pusher) -> None:
    with scripted(PING, answer(200, ZIPPED, gzip.compress(PACKED.config))) as server:
        repository = RepositoryReader(asked(pusher, server), "it")
        with repository.get_blob(PACKED.config_descriptor.digest) as blob:
            assert b"".join(iter(lambda: blob.read(100), b"")) == PACKED.config


def test_a_blob_that_breaks_off_goes_on_although_it_was_compressed(pusher: Pusher) -> None:
    """A part of what was encoded can't be decoded: such a server sends all again."""
    encoded = gzip.compress(PACKED.config, 0)

    def broken(connection: socket.socket) -> None:
        connection.sendall(answer(200, {"Content-Length": str(len(encoded)), **ZIPPED}, encoded[:100]))

    with scripted(PING, broken, answer(200, ZIPPED, encoded)) as server:
        repository = RepositoryReader(asked(pusher, server), "it")
        with repository.get_blob(PACKED.config_descriptor.digest) as blob:
            assert b"".join(iter(lambda: blob.read(10), b"")) == PACKED.config


def test_the_size_of_what_was_compressed_is_not_that_of_the_blob(pusher: Pusher) -> None:
    with scripted(PING, answer(200, {"Content-Length": "17", **ZIPPED})) as server:
        assert asked(pusher, server).head_blob(DIGEST) == -1


def test_words_that_were_compressed_are_read(pusher: Pusher) -> None:
    body = gzip.compress(b'{"errors":[{"code":"DENIED","message":"the quota is used up"}]}')
    with scripted(PING, answer(500, ZIPPED, body)) as server:
        client = asked(pusher, server)
        with pytest.raises(RegistryError, match="DENIED: the quota is used up"):
            client.get_manifest("1")


def test_words_in_an_unknown_coding_hide_no_status(pusher: Pusher) -> None:
    with scripted(PING, answer(500, {"Content-Encoding": "br"}, b"\x0b\x02")) as server:
        client = asked(pusher, server)
        with pytest.raises(RegistryError, match=r"was answered 500$"):
            client.get_manifest("1")


def token(answer_of_tokens: Act, pusher: Pusher) -> list[str]:
    """Ask for a manifest where a token is needed; the requests that came."""
    with scripted() as server:
        server.acts[:] = [
            answer(401, {"WWW-Authenticate": f'Bearer realm="http://{server.host}/token",service="s"'}),
            answer_of_tokens,
            answer(404),
        ]
        assert asked(pusher, server).get_manifest("1") is None
        return server.requests


def test_a_token_that_was_compressed_on_its_way_is_read(pusher: Pusher) -> None:
    requests = token(answer(200, ZIPPED, gzip.compress(b'{"token":"t"}')), pusher)
    assert [request.partition("?")[0] for request in requests] == [
        "GET /v2/",
        "GET /token",
        "GET /v2/a/b/manifests/1",
    ]


# Numbers


@pytest.mark.parametrize(
    "lifetime",
    [10**400, -1, 0, True, None, "3600", "\xb2", "9" * 5000, "soon", 1e300, [], {}],
    ids=lambda value: str(value)[:8],
)
def test_a_token_lives_however_long_its_server_says(lifetime: object, pusher: Pusher) -> None:
    assert (
        len(token(answer(200, {}, json.dumps({"token": "t", "expires_in": lifetime}).encode()), pusher)) == 3
    )


@pytest.mark.parametrize("lifetime", ["NaN", "Infinity", "-Infinity", "1e999", "-0"])
def test_a_lifetime_that_is_no_number_of_json_is_none(lifetime: str, pusher: Pusher) -> None:
    assert len(token(answer(200, {}, f'{{"token":"t","expires_in":{lifetime}}}'.encode()), pusher)) == 3


@pytest.mark.parametrize(
    ("said", "size"),
    [
        ("17", 17),
        ("0", 0),
        ("\xb2", -1),
        ("3\xb3", -1),
        ("9" * 5000, -1),
        ("9" * 19, -1),
        ("-5", -1),
        ("+5", -1),
        ("5, 5", -1),
        ("1_000", -1),
        ("", -1),
    ],
    ids=lambda value: ascii(value)[:8],
)
def test_a_size_that_is_no_number_is_not_known(said: str, size: int, pusher: Pusher) -> None:
    def once(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 200 X\r\nContent-Length: {said}\r\n\r\n".encode("latin-1"))

    with scripted(PING, once) as server:
        assert asked(pusher, server).head_blob(DIGEST) == size


# Content types


@pytest.mark.parametrize(
    ("said", "media_type"),
    [
        (OCI.manifest, OCI.manifest),
        (f"{DOCKER.index}; charset=utf-8", DOCKER.index),
        ("Application/VND.oci.image.index.v1+JSON", OCI.index),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws",) * 2,
        ("application/json", ""),
        ("application/json; charset=utf-8", ""),
        ("text/plain", ""),
        ("application/octet-stream", ""),
        ("binary/octet-stream", ""),
        ("text/html", ""),
        ("", ""),
    ],
)
def test_a_type_that_web_servers_give_to_any_file_says_nothing(
    said: str, media_type: str, pusher: Pusher
) -> None:
    with scripted(PING, answer(200, {"Content-Type": said}, MANIFEST)) as server:
        found = asked(pusher, server).get_manifest("1")
    assert found
    assert found.media_type == media_type


# Cuts


@pytest.mark.parametrize("reference", ["1", DIGEST])
def test_a_manifest_that_only_the_connection_ends_is_compared_with_its_digest(
    reference: str, pusher: Pusher
) -> None:
    headers = {"Docker-Content-Digest": DIGEST, "Connection": "close"}
    cut, all_of_it = (answer(200, headers, data, length=False) for data in (MANIFEST[:-9], MANIFEST))
    with scripted(PING, cut, all_of_it) as server:
        client = asked(pusher, server)
        with pytest.raises(BrokenConnectionError, match="had sent all of"):
            client.get_manifest(reference)
        assert (found := client.get_manifest(reference))
        assert found.digest == DIGEST


def test_a_blob_that_only_the_connection_ends_goes_on_where_it_was_cut(pusher: Pusher) -> None:
    config, digest = PACKED.config, PACKED.config_descriptor.digest
    cut = answer(200, {"Connection": "close"}, config[:-9], length=False)
    part = {"Content-Range": f"bytes {len(config) - 9}-{len(config) - 1}/{len(config)}"}
    with scripted(PING, cut, answer(206, part, config[-9:])) as server:
        repository = RepositoryReader(asked(pusher, server), "it")
        with repository.get_blob(digest) as blob:
            assert b"".join(iter(lambda: blob.read(10), b"")) == config
    assert len(server.requests) == 3


def test_a_whole_blob_that_only_the_connection_ends_is_read(pusher: Pusher) -> None:
    with scripted(PING, answer(200, {}, PACKED.config, length=False)) as server:
        repository = RepositoryReader(asked(pusher, server), "it")
        with repository.get_blob(PACKED.config_descriptor.digest) as blob:
            assert b"".join(iter(lambda: blob.read(10), b"")) == PACKED.config
    assert len(server.requests) == 2


def test_a_digest_that_two_headers_tell_is_one(pusher: Pusher) -> None:
    twice = answer(201, {"Docker-Content-Digest": f"{DIGEST}, {DIGEST}"})
    other = answer(201, {"Docker-Content-Digest": f"{DIGEST}, sha256:{'0' * 64}"})
    with scripted(PING, twice, other) as server:
        client = asked(pusher, server)
        client.put_manifest("1", MANIFEST, media_type=OCI.manifest)
        with pytest.raises(RejectedError, match="when it was sent"):
            client.put_manifest("1", MANIFEST, media_type=OCI.manifest)


@pytest.mark.parametrize("start", [0, 3])
def test_a_blob_whose_end_is_known_is_compared_by_who_reads_it(start: int, pusher: Pusher) -> None:
    """A wrong one is no broken connection: it would come as wrong again."""
    with scripted(PING, answer(200, {}, b"another")) as server:
        client = asked(pusher, server)
        with client.get_blob(PACKED.config_descriptor.digest, start=start) as blob:
            assert blob.read(100) == b"another"[start:]
            assert blob.read(100) == b""


def test_a_part_without_an_end_is_compared_by_who_reads_it(pusher: Pusher) -> None:
    headers = {"Connection": "close"}
    with scripted(PING, answer(200, headers, b"another", length=False)) as server:
        client = asked(pusher, server)
        with client.get_blob(PACKED.config_descriptor.digest, start=3) as blob:
            assert blob.read(100) + blob.read(100) == b"ther"


# Ends of uploads


def hang_up(_: socket.socket) -> None:
    """Leave a request without an answer."""


@pytest.mark.parametrize(
    ("acts", "times"), [((hang_up, answer(204)), 2), ((hang_up, hang_up), 2), ((answer(500),), 1)]
)
def test_a_session_is_ended_also_where_the_connection_was_stale(
    acts: tuple[Act, ...], times: int, pusher: Pusher
) -> None:
    with scripted(PING, *acts) as server:
        client = asked(pusher, server)
        client.ping()
        client.cancel(UploadSession(f"http://{server.host}/v2/a/b/blobs/uploads/1"))
    assert server.requests[1:] == ["DELETE /v2/a/b/blobs/uploads/1"] * times


def refusal(status: int, *codes: str) -> RegistryError:
    said = ErrorAnswer("PUT", "https://r.example/", status, codes, "", frozenset(), None)
    return RegistryError(said, transient=False)


@pytest.mark.parametrize(
    ("status", "codes", "tries"),
    [
        (404, ("BLOB_UNKNOWN",), 6),
        (400, ("BLOB_UNKNOWN", "UNKNOWN"), 6),
        (404, (), 3),
        (404, ("NOT_FOUND",), 3),
        (400, (), 3),
        (400, ("UNKNOWN",), 3),
        (405, (), 3),
        (409, (), 3),
        (410, (), 3),
        (416, ("RANGE_INVALID",), 3),
        (404, ("NAME_UNKNOWN",), 1),
        (400, ("NAME_INVALID",), 1),
        (405, ("UNSUPPORTED",), 1),
        (400, ("DENIED",), 1),
        (413, (), 1),
        (415, (), 1),
        (501, (), 1),
    ],
)
def test_a_refused_commit_may_be_one_that_got_lost(status: int, codes: tuple[str, ...], tries: int) -> None:
    error = refusal(status, *codes)
    as_lost_commit(error)
    assert (error.tries or 6 if error.transient else 1) == tries


@pytest.mark.parametrize(
    ("status", "headers", "code", "passes"),
    [
        (403, {"Retry-After": "7"}, "", True),
        (403, {"Retry-After": "soon"}, "", False),
        (403, {}, "TOOMANYREQUESTS", True),
        (403, {}, "DENIED", False),
        (401, {"Retry-After": "7"}, "", False),
        (404, {"Retry-After": "7"}, "", False),
        (507, {"Retry-After": "7"}, "", True),
        (507, {}, "", False),
        (503, {}, "", True),
        (500, {"Retry-After": "7"}, "", True),
        (499, {"Retry-After": "7"}, "", True),
    ],
)
def test_a_refusal_for_now_is_none_for_good(
    status: int, headers: dict[str, str], code: str, passes: bool, pusher: Pusher
) -> None:
    body = f'{{"errors":[{{"code":"{code}"}}]}}'.encode()
    with scripted(PING, answer(status, headers, body)) as server:
        client = asked(pusher, server)
        with pytest.raises(Error) as raised:
            client.start_upload()
    assert getattr(raised.value, "transient", False) == passes
    if passes:
        waits = status in (403, 507) or (status == 500 and headers)
        assert ("limits how many requests" in raised.value.hint) == bool(waits)


PASSING = (408, 425, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524)


def test_which_statuses_may_pass(pusher: Pusher) -> None:
    statuses = sorted({near for status in (*PASSING, 409) for near in (status - 1, status, status + 1)})
    with scripted(PING, *map(answer, statuses)) as server:
        client = asked(pusher, server)
        found = []
        for status in statuses:
            with pytest.raises(RegistryError) as raised:
                client.mount(DIGEST, "c")
            if raised.value.transient:
                found.append(status)
    assert tuple(found) == PASSING


def test_what_was_damaged_on_its_way_is_sent_once_more(pusher: Pusher) -> None:
    body = b'{"errors":[{"code":"DIGEST_INVALID"}]}'
    with scripted(PING, answer(400, {}, body)) as server:
        client = asked(pusher, server)
        with pytest.raises(RegistryError, match="tried 2 times"):
            client.retrying(client.start_upload, what="it")


def test_a_registry_that_warns_for_ever_is_heard_for_a_while(pusher: Pusher) -> None:
    warnings = [", ".join(f'299 - "{number}-{each}"' for each in range(9)) for number in range(9)]
    with scripted(PING, *(answer(404, {"Warning": text}) for text in warnings)) as server:
        client = asked(pusher, server)
        for _ in warnings:
            client.head_blob(DIGEST)
    assert len(pusher.of(Notice)) == 20


# Hints


@pytest.mark.parametrize(
    ("status", "codes", "media_type", "layers", "word"),
    [
        (415, (), OCI.manifest, (), "media-types: docker"),
        (400, ("MANIFEST_INVALID",), OCI.index, (), "media-types: docker"),
        (404, (), OCI.manifest, (), "media-types: docker"),
        (501, (), OCI.manifest, (), "media-types: docker"),
        (415, (), DOCKER.manifest, (), "media-types: oci"),
        (400, (), OCI.manifest, (OCI.layers["+gzip"], OCI.layers["+zstd"]), "compression: gzip"),
        (400, ("NAME_INVALID",), OCI.manifest, (), ""),
        (413, (), OCI.manifest, (), ""),
        (500, (), OCI.manifest, (), ""),
    ],
)
def test_a_refused_manifest_may_be_of_a_type_that_is_not_known_there(
    status: int, codes: tuple[str, ...], media_type: str, layers: tuple[str, ...], word: str
) -> None:
    hint = hint_for_manifest(refusal(status, *codes).answer, media_type, layers)
    assert word in hint if word else not hint


# This machine


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_connection_that_this_machine_can_not_open_is_no_fault_of_the_network(
    number: int, pusher: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_: object) -> socket.socket:
        raise OSError(number, "Too many open files")

    monkeypatch.setattr(socket, "socket", none_left)
    with pytest.raises(ResourceError, match="Too many open files") as raised:
        pusher.client("127.0.0.1:9", "a/b").ping()
    assert {errno.EMFILE: "ulimit -n", errno.ENFILE: "fs.file-max"}[number] in raised.value.hint
