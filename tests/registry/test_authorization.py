"""Logging in: tokens asked for, renewed and refused, against a real registry that asks for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from flakeship.errors import NotAllowedError, UnreachableError
from flakeship.http.errors import UnsafeUrlError, WireError
from flakeship.http.origin import Origin
from flakeship.image.model import Digest
from flakeship.registry.authorization import Authorization
from flakeship.registry.challenge import Challenge
from flakeship.registry.client import RegistryClient
from flakeship.registry.credentials import Credentials
from flakeship.registry.errors import DeniedError
from flakeship.registry.tokens import Token
from tests.destinations.pushing import Pusher, push
from tests.images import random_packed
from tests.testbed.registry import FaultProxy, Registry, TokenServer
from tests.testbed.registry_faults import Answer
from tests.testbed.registry_token import IDENTITY

pytestmark = pytest.mark.slow

NOTHING = Digest(f"sha256:{'0' * 64}")


@pytest.fixture
def tokens(token_registry: Registry) -> TokenServer:
    assert token_registry.tokens
    return token_registry.tokens


def login(registry: Registry) -> tuple[str, str]:
    return registry.username, registry.password


def client_of(pusher: Pusher, registry: Registry, *, host: str = "") -> RegistryClient:
    return pusher.client(host or registry.host, registry.new_repository(), login=login(registry))


def test_one_token_serves_a_whole_push(token_registry: Registry, tokens: TokenServer, pusher: Pusher) -> None:
    repository = token_registry.new_repository()
    destination = pusher.destination(
        token_registry.host, repository, tags=("latest",), login=login(token_registry)
    )
    push(random_packed(1), destination, threads=3)
    (request,) = tokens.requests
    assert request.query == {
        "service": ["fixture-registry"],
        "account": [token_registry.username],
        "scope": [f"repository:{repository}:pull,push"],
    }


def test_a_token_is_renewed_before_it_runs_out(
    token_registry: Registry, tokens: TokenServer, pusher: Pusher
) -> None:
    client = client_of(pusher, token_registry)
    client.head_blob(NOTHING)
    pusher.clock.now += 300 - 61
    client.head_blob(NOTHING)
    assert len(tokens.requests) == 1
    pusher.clock.now += 2
    client.head_blob(NOTHING)
    assert len(tokens.requests) == 2


def test_a_token_of_the_shortest_life_is_still_used(
    token_registry: Registry, tokens: TokenServer, pusher: Pusher
) -> None:
    tokens.expires_in = None
    client = client_of(pusher, token_registry)
    for _ in range(3):
        client.head_blob(NOTHING)
    assert len(tokens.requests) == 1
    pusher.clock.now += 31
    client.head_blob(NOTHING)
    assert len(tokens.requests) == 2


def test_a_life_that_no_number_holds_is_taken_for_the_shortest(
    token_registry: Registry, tokens: TokenServer, pusher: Pusher
) -> None:
    tokens.expires_in = 10**400
    client = client_of(pusher, token_registry)
    client.head_blob(NOTHING)
    pusher.clock.now += 61
    client.head_blob(NOTHING)
    assert len(tokens.requests) == 2


def test_a_token_that_is_refused_is_renewed_once(
    token_registry: Registry, tokens: TokenServer, pusher: Pusher
) -> None:
    tokens.lifetime = -1000
    client = client_of(pusher, token_registry)

    def recover(answer: Answer) -> Answer:
        tokens.lifetime = 300
        return answer

    tokens.change_next("GET", "/token", recover)
    assert client.head_blob(NOTHING) is None
    assert len(tokens.requests) == 2


def test_an_early_401_in_the_middle_of_a_body_sends_it_again(
    token_registry: Registry,
    tokens: TokenServer,
    pusher: Pusher,
    proxy_to: Callable[[str], FaultProxy],
) -> None:
    proxy = proxy_to(token_registry.host)
    challenge = f'Bearer realm="http://{tokens.host}/token",service="fixture-registry",error="invalid_token"'
    proxy.fail_next("PATCH", "/uploads/", status=401, headers={"WWW-Authenticate": challenge}, early=True)
    repository = token_registry.new_repository()
    destination = pusher.destination(proxy.host, repository, tags=("t",), login=login(token_registry))
    packed = random_packed(2, layers=1, size=4_000_000)
    push(packed, destination)
    assert token_registry.digest(repository, "t") == packed.descriptor.digest
    assert len(tokens.requests) == 2
    assert pusher.clock.slept == []


def test_a_token_that_runs_out_before_the_commit_costs_no_second_upload(
    token_registry: Registry,
    tokens: TokenServer,
    pusher: Pusher,
    proxy_to: Callable[[str], FaultProxy],
) -> None:
    proxy = proxy_to(token_registry.host)
    challenge = f'Bearer realm="http://{tokens.host}/token",service="fixture-registry",error="invalid_token"'
    proxy.fail_next("PUT", "/uploads/", status=401, headers={"WWW-Authenticate": challenge})
    destination = pusher.destination(proxy.host, token_registry.new_repository(), login=login(token_registry))
    push(random_packed(3, layers=1), destination)
    assert len(proxy.of("PATCH")) == 1, "the layer; the config is small"


def test_401_for_ever_is_no_storm(token_registry: Registry, tokens: TokenServer, pusher: Pusher) -> None:
    tokens.lifetime = -1000
    with pytest.raises(DeniedError, match="401"):
        client_of(pusher, token_registry).start_upload()
    assert len(tokens.requests) == 2
    assert pusher.clock.slept == []


def test_basic_is_not_asked_twice(basic_registry: Registry, pusher: Pusher) -> None:
    repository = basic_registry.new_repository()
    client = pusher.client(basic_registry.host, repository, login=("u", "wrong"))
    with pytest.raises(DeniedError, match="401"):
        client.start_upload()
    assert len(basic_registry.accesses(repository)) == 1


def test_a_wider_scope_is_asked_for_in_front(
    token_registry: Registry,
    tokens: TokenServer,
    pusher: Pusher,
    proxy_to: Callable[[str], FaultProxy],
) -> None:
    proxy = proxy_to(token_registry.host)
    challenge = (
        f'Bearer realm="http://{tokens.host}/token",service="fixture-registry",'
        'error="insufficient_scope",scope="repository:other/place:pull"'
    )
    client = client_of(pusher, token_registry, host=proxy.host)
    client.head_blob(NOTHING)
    proxy.fail_next("HEAD", "/blobs/", status=401, headers={"WWW-Authenticate": challenge})
    client.head_blob(NOTHING)
    first, second = (request.query["scope"] for request in tokens.requests)
    assert second == ["repository:other/place:pull", *first]


def test_a_wider_scope_that_is_refused_is_given_up(
    token_registry: Registry, tokens: TokenServer, pusher: Pusher
) -> None:
    """To cancel a session takes the right to delete, which few have: that must not cost them the right to push."""
    client = client_of(pusher, token_registry)
    upload = client.start_upload()
    tokens.fail_next("GET", "/token", status=403)
    client.cancel(upload)
    client.start_upload()
    scopes = [request.query["scope"] for request in tokens.requests]
    assert ["delete" in scope[0] for scope in scopes] == [False, True, False]


def test_an_identity_token_is_exchanged_by_post(
    token_registry: Registry, tokens: TokenServer, pusher: Pusher
) -> None:
    identity = Credentials("", IDENTITY, "identity")
    client = pusher.client(token_registry.host, token_registry.new_repository(), login=identity)
    client.start_upload()
    assert [request.method for request in tokens.requests] == ["POST"]
    assert tokens.requests[0].query["grant_type"] == ["refresh_token"]


def test_a_token_server_without_oauth2_is_asked_by_get(
    token_registry: Registry, tokens: TokenServer, pusher: Pusher
) -> None:
    tokens.fail_next("POST", "/token", status=404)
    identity = Credentials(token_registry.username, token_registry.password, "identity")
    client = pusher.client(token_registry.host, token_registry.new_repository(), login=identity)
    client.start_upload()
    assert [request.method for request in tokens.requests] == ["POST", "GET"]


def test_a_registry_token_is_sent_as_it_is(
    token_registry: Registry, tokens: TokenServer, pusher: Pusher
) -> None:
    repository = token_registry.new_repository()
    ready = Credentials("", tokens.mint(repository, ["pull", "push"]), "bearer")
    client = pusher.client(token_registry.host, repository, login=ready)
    client.start_upload()
    assert tokens.requests == []


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_token_server_in_trouble_is_asked_again(
    status: int, token_registry: Registry, tokens: TokenServer, pusher: Pusher
) -> None:
    tokens.fail_next("GET", "/token", status=status)
    repository = token_registry.new_repository()
    packed = random_packed(4, layers=1)
    push(packed, pusher.destination(token_registry.host, repository, login=login(token_registry)))
    assert token_registry.digest(repository, packed.descriptor.digest)


@pytest.mark.parametrize(
    "body", [b"{}", b"<html>", b"[]", b'{"token": 7}', b'{"token": "a\\nb"}', b"x" * 1_000_000]
)
def test_an_answer_without_a_token(
    body: bytes, token_registry: Registry, tokens: TokenServer, pusher: Pusher
) -> None:
    tokens.fail_next("GET", "/token", status=200, body=body)
    with pytest.raises(WireError, match="answered with no token"):
        client_of(pusher, token_registry).start_upload()


def test_a_token_server_that_leads_elsewhere(
    token_registry: Registry, tokens: TokenServer, pusher: Pusher
) -> None:
    tokens.fail_next("GET", "/token", status=307, headers={"Location": "https://169.254.169.254/"})
    with pytest.raises(UnsafeUrlError, match="inside this network"):
        client_of(pusher, token_registry).start_upload()


@pytest.mark.parametrize("realm", ["http://10.0.0.1/token", "file:///etc/passwd", "http://u:p@127.0.0.1/"])
def test_a_realm_that_must_not_get_the_password(
    realm: str, registry: Registry, proxy: FaultProxy, pusher: Pusher
) -> None:
    challenge = {"WWW-Authenticate": f'Bearer realm="{realm}"'}
    proxy.fail_next("GET", "/v2/", status=401, headers=challenge, times=2)
    with pytest.raises(UnsafeUrlError):
        pusher.client(proxy.host, "a/b", login=("u", "canary")).start_upload()


def test_credentials_go_to_their_own_origin_alone(
    basic_registry: Registry, pusher: Pusher, proxy_to: Callable[[str], FaultProxy]
) -> None:
    """Upload and blob are handed to another port: neither sees the password."""
    front, storage = proxy_to(basic_registry.host), proxy_to(basic_registry.host)

    def elsewhere(answer: Answer) -> Answer:
        location = answer.headers["Location"].replace(front.host, storage.host)
        return replace(answer, headers=answer.headers | {"Location": location})

    front.change_next("POST", "/uploads/", elsewhere)
    front.fail_next("GET", "/blobs/", status=307, headers={"Location": f"http://{storage.host}/v2/x"})
    client = client_of(pusher, basic_registry, host=front.host)
    with pytest.raises(DeniedError):
        client.commit(client.start_upload(), NOTHING)
    with pytest.raises(WireError, match="404"), client.get_blob(NOTHING):
        pass
    assert [entry.method for entry in storage.requests] == ["PUT", "GET"]
    assert not [entry for entry in storage.requests if "Authorization" in entry.headers]
    assert [entry for entry in front.requests if "Authorization" in entry.headers]


def test_the_password_is_in_no_event_and_no_error(
    token_registry: Registry, tokens: TokenServer, pusher: Pusher
) -> None:
    body = json.dumps({"errors": [{"code": "DENIED", "message": "no"}]}).encode()
    tokens.fail_next("GET", "/token", status=403, body=body)
    tokens.fail_next("GET", "/token", status=500, times=9)
    destination = pusher.destination(
        token_registry.host, token_registry.new_repository(), login=("me", "canary-31c9")
    )
    for expected in (NotAllowedError, UnreachableError):
        with pytest.raises(expected) as raised:
            destination.check()
        error = raised.value
        assert "canary" not in f"{error.message}{error.hint}{error.detail}"
        assert "account=me" not in error.message, "queries are not shown"
    assert "canary" not in repr(pusher.events)


def test_a_refresh_token_goes_to_the_realm_that_gave_it(
    pusher: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry may name another token server later: that one has not given it."""
    given: list[tuple[str, str]] = []

    def fetch(_: object, challenge: Challenge, *, refresh: str, **__: object) -> Token:
        given.append((challenge.parameters["realm"], refresh))
        return Token("t", 0.0, 0.0, (), refresh=f"from {challenge.parameters['realm']}")

    monkeypatch.setattr("flakeship.registry.authorization.fetch_token", fetch)
    authorization = Authorization(pusher.transport(), Origin.of("https://registry.example"), None, ())
    for realm in ("https://a.example/", "https://a.example/", "https://b.example/", "https://a.example/"):
        authorization.learn(f'Bearer realm="{realm}"', used=None)
        authorization.header()
    assert given == [
        ("https://a.example/", ""),
        ("https://a.example/", "from https://a.example/"),
        ("https://b.example/", ""),
        ("https://a.example/", "from https://a.example/"),
    ]
