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
from flakeship.registry.authorization import Authorization
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


# Rights that a registry suggests


@pytest.mark.parametrize(
    ("own", "suggested", "asked"),
    [
        (("repository:a:pull",), "repository:a:push", ()),
        (("repository:a:pull",), "repository:a:pull,push", ()),
        (("repository:a:pull",), "repository:b:pull repository:a:push", ("repository:b:pull",)),
        (("repository:a:pull,push",), "repository:a:delete", ("repository:a:delete",)),
        (("repository:a:pull", "repository:b:pull,push"), "repository:a:push", ("repository:a:push",)),
        (("repository:a:pull,push",), "repository:a:pull,push", ()),
    ],
)
def test_who_reads_asks_for_no_right_to_write(
    own: tuple[str, ...], suggested: str, asked: tuple[str, ...], pusher: Pusher
) -> None:
    with scripted(given(token="t1"), given(token="t2")) as running:
        origin = Origin.of(f"http://{running.host}")
        authorization = Authorization(pusher.transport(), origin, None, own)
        realm = f'Bearer realm="{origin}/token"'
        assert authorization.learn(realm, used=None)
        used = authorization.header()
        for error, times in (("invalid_token", 1), ("insufficient_scope", 1 if not asked else 2)):
            authorization.learn(f'{realm},error="{error}",scope="{suggested}"', used=None)
            authorization.header()
            assert len(running.requests) == times
    assert used == "Bearer t1"
    scopes = parse_qs(urlsplit(running.requests[-1]).query)["scope"]
    assert scopes == [*asked, *own]


def test_a_token_that_was_refused_is_asked_for_anew(pusher: Pusher) -> None:
    """And one that another thread has got since is used as it is."""
    with scripted(given(token="t1"), given(token="t2")) as running:
        origin = Origin.of(f"http://{running.host}")
        authorization = Authorization(pusher.transport(), origin, None, ("repository:a:pull",))
        realm = f'Bearer realm="{origin}/token"'
        assert authorization.header() is None
        authorization.learn(realm, used=None)
        assert authorization.header() == authorization.header() == "Bearer t1"
        assert authorization.learn(realm, used="Bearer t1")
        assert authorization.header() == "Bearer t2"
        assert authorization.learn("", used="Bearer t1"), "the challenge of the first contact counts"
        assert authorization.header() == "Bearer t2"


@pytest.mark.parametrize(
    ("lifetime", "passed", "seconds", "renewed"),
    [
        (300, 239, 0, False),
        (300, 240, 0, True),
        (300, 150, 149, False),
        (300, 150, 150, True),
        (60, 29, 0, False),
        (60, 30, 0, True),
        (60, 29, 1000, False),
    ],
)
def test_a_token_lasts_for_the_request(
    lifetime: int, passed: float, seconds: float, renewed: bool, pusher: Pusher
) -> None:
    with scripted(given(token="t1", expires_in=lifetime), given(token="t2")) as running:
        origin = Origin.of(f"http://{running.host}")
        authorization = Authorization(pusher.transport(), origin, None, ("repository:a:pull",))
        authorization.learn(f'Bearer realm="{origin}/token"', used=None)
        authorization.header()
        pusher.clock.now += passed
        assert authorization.header(seconds=seconds) == ("Bearer t2" if renewed else "Bearer t1")


@pytest.mark.parametrize(
    ("credentials", "header", "used", "again"),
    [
        (PASSWORD, 'Basic realm="x"', None, True),
        (PASSWORD, 'Basic realm="x"', "Basic bWU6", False),
        (None, 'Basic realm="x"', None, False),
        (Credentials("", "canary-token", "bearer"), 'Bearer realm="https://a.example/"', None, True),
        (Credentials("", "canary-token", "bearer"), 'Bearer realm="https://a.example/"', "Bearer x", False),
        (PASSWORD, "", None, False),
        (PASSWORD, "Negotiate", None, False),
    ],
)
def test_when_a_request_is_sent_once_more(
    credentials: Credentials | None, header: str, used: str | None, again: bool, pusher: Pusher
) -> None:
    origin = Origin.of("https://registry.example")
    authorization = Authorization(pusher.transport(), origin, credentials, ("repository:a:pull",))
    assert authorization.learn(header, used=used) == again
    if credentials and credentials.kind == "bearer":
        assert authorization.header() == "Bearer canary-token"
    elif not credentials:
        assert authorization.header() is None
