"""What a token server is asked, and what is believed of its answers; it is scripted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from flakeship.events import Secret
from flakeship.http.errors import WireError
from flakeship.http.origin import Origin
from flakeship.registry.challenge import Challenge
from flakeship.registry.credentials import Credentials
from flakeship.registry.errors import DeniedError, RegistryError
from flakeship.registry.tokens import Token, fetch_token
from tests.destinations.pushing import Pusher
from tests.http.scripted import Act, Scripted, answer, scripted

IDENTITY = Credentials("", "canary-identity", "identity")
PASSWORD = Credentials("me", "canary-password")
SCOPES = ("repository:a/b:pull,push", "repository:c:pull")


def given(**document: Any) -> bytes:
    return answer(200, {}, json.dumps(document).encode())


@contextmanager
def server(*acts: Act, realm: str = "/token", **parameters: str) -> Iterator[tuple[Scripted, Challenge]]:
    with scripted(*acts) as running:
        yield running, Challenge("bearer", {"realm": f"http://{running.host}{realm}", **parameters})


def fetch(
    pusher: Pusher,
    running: Scripted,
    challenge: Challenge,
    credentials: Credentials | None = None,
    refresh: str = "",
) -> Token:
    return fetch_token(
        pusher.transport(),
        challenge,
        registry=Origin.of(f"http://{running.host}"),
        credentials=credentials,
        refresh=refresh,
        scopes=SCOPES,
    )


@pytest.mark.parametrize("realm", ["/token", "/token?client=x"])
def test_a_token_is_asked_for_with_service_account_and_scopes(realm: str, pusher: Pusher) -> None:
    with server(given(token="t"), realm=realm, service="s") as (running, challenge):
        assert fetch(pusher, running, challenge, PASSWORD).value == "t"
    (request,) = running.requests
    query = parse_qs(urlsplit(request.partition(" ")[2]).query)
    query.pop("client", None)
    assert query == {"service": ["s"], "account": ["me"], "scope": list(SCOPES)}


def test_a_token_for_everybody_is_asked_for_without_a_name(pusher: Pusher) -> None:
    with server(given(access_token="t")) as (running, challenge):
        assert fetch(pusher, running, challenge).value == "t"
    assert "account" not in running.requests[0]
    assert "service" not in running.requests[0]


@pytest.mark.parametrize(("refresh", "credentials"), [("canary-refresh", PASSWORD), ("", IDENTITY)])
def test_a_refresh_token_is_posted(refresh: str, credentials: Credentials, pusher: Pusher) -> None:
    with server(given(token="t"), service="s") as (running, challenge):
        fetch(pusher, running, challenge, credentials, refresh)
    assert [request.partition("?")[0] for request in running.requests] == ["POST /token"]


def test_a_refresh_token_that_is_handed_out_is_kept_and_masked(pusher: Pusher) -> None:
    with server(given(token="canary-t", refresh_token="canary-r")) as (running, challenge):
        assert fetch(pusher, running, challenge, PASSWORD).refresh == "canary-r"
    assert [event.text for event in pusher.of(Secret)] == ["canary-t", "canary-r"]


@pytest.mark.parametrize("odd", ["a\nb", "ä", 7, None, ["a"]])
def test_a_refresh_token_that_can_not_be_sent_is_left(odd: object, pusher: Pusher) -> None:
    with server(given(token="t", refresh_token=odd)) as (running, challenge):
        assert not fetch(pusher, running, challenge).refresh


@pytest.mark.parametrize("status", [400, 401, 404, 405])
def test_a_server_without_oauth2_is_asked_in_the_old_way(status: int, pusher: Pusher) -> None:
    """Artifactory answers the POST 401, GCR 404, others 400 or 405."""
    with server(answer(status), given(token="t")) as (running, challenge):
        assert fetch(pusher, running, challenge, IDENTITY).value == "t"
    assert [request.partition(" ")[0] for request in running.requests] == ["POST", "GET"]


@pytest.mark.parametrize(("status", "error"), [(403, DeniedError), (500, RegistryError), (302, WireError)])
def test_another_answer_to_the_post_is_an_error(status: int, error: type[Exception], pusher: Pusher) -> None:
    headers = {"Location": "/elsewhere"} if status == 302 else {}
    with server(answer(status, headers), given(token="t")) as (running, challenge), pytest.raises(error):
        fetch(pusher, running, challenge, IDENTITY)
    assert len(running.requests) == 1


@pytest.mark.parametrize(("status", "error"), [(401, DeniedError), (404, RegistryError), (204, WireError)])
def test_a_server_that_gives_no_token(status: int, error: type[Exception], pusher: Pusher) -> None:
    with server(answer(status)) as (running, challenge), pytest.raises(error):
        fetch(pusher, running, challenge)


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[]", b"<html>", b'{"token":7}', b'{"token":""}', b'{"token":"a\\nb"}', b'{"token":"\xc3\xa4"}'],
)
def test_what_is_no_token_is_not_sent(body: bytes, pusher: Pusher) -> None:
    with server(answer(200, {}, body)) as (running, challenge), pytest.raises(WireError, match="no token"):
        fetch(pusher, running, challenge)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (None, 60),
        (30, 60),
        (60, 60),
        (61, 61),
        (0, 60),
        (-5, 60),
        (3600, 3600),
        ("300", 300),
        ("999999999", 999_999_999),
        ("9999999999", 60),
        (10**9, 60),
        (10**9 - 1, 10**9 - 1),
    ],
)
def test_how_long_a_token_lives(said: object, seconds: int, pusher: Pusher) -> None:
    document = {"token": "t"} if said is None else {"token": "t", "expires_in": said}
    with server(given(**document)) as (running, challenge):
        token = fetch(pusher, running, challenge)
    assert (token.lifetime, token.expires, token.scopes) == (seconds, pusher.clock.now + seconds, SCOPES)
