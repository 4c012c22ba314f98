"""GitHub's and GitLab's APIs remove what their registries do not: no such platform can be here, so this is their protocol."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any

import pytest

from flakeship.commands.cache.platform_api import removal_by_platform
from flakeship.errors import NotAllowedError
from flakeship.events import ignore
from flakeship.http.clock import Clock
from flakeship.http.transport import Transport
from flakeship.registry.reference import Reference
from tests.testbed.served import EveryMethod, served

TAG = "main-x86_64-linux-00000000"
CACHE = Reference("ghcr.io", "me/app/nix-cache")
VERSIONS = "packages/container/app%2Fnix-cache/versions"


def version(number: int, *tags: str) -> dict[str, Any]:
    return {"id": number, "metadata": {"container": {"tags": list(tags)}}}


class _Handler(EveryMethod):
    def serve(self) -> None:
        server: Any = self.server
        path = self.path.partition("?")[0].removeprefix("/")
        page = int(self.path.rpartition("page=")[2]) if "page=" in self.path else 1
        server.asked.append((self.command, path, dict(self.headers)))
        pages = server.pages.get(path)
        status = server.refusals.get(self.command, 200 if pages is not None else 404)
        if self.command == "DELETE":
            status = server.refusals.get("DELETE", 204)
        body = json.dumps(pages[page - 1] if pages and page <= len(pages) else []).encode()
        self.send_response(status)
        self.send_header("Content-Length", "0" if status == 204 else str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)


@pytest.fixture
def api() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.asked, server.pages, server.refusals = [], {}, {}
    server.url = f"http://127.0.0.1:{server.server_port}"
    with served(server):
        yield server


@pytest.fixture
def session() -> Iterator[Transport]:
    clock = Clock(now=time.monotonic, sleep=lambda _: None, random=lambda: 0.0)
    with Transport(ca=None, plain_http=(), environ={}, emit=ignore, clock=clock) as opened:
        yield opened


@pytest.mark.parametrize("kind", ["orgs", "users"])
def test_github_removes_the_version_with_the_tag(api: Any, session: Transport, kind: str) -> None:
    first = [version(number, "other") for number in range(100)]
    api.pages = {f"{kind}/me/{VERSIONS}": [first, [version(7), version(8, TAG)]]}
    remove = removal_by_platform(
        CACHE, session=session, environ={"GITHUB_API_URL": api.url}, github_token="secret"
    )
    assert remove
    remove.tag(TAG)
    method, path, headers = api.asked[-1]
    assert (method, path, headers["Authorization"]) == ("DELETE", f"{kind}/me/{VERSIONS}/8", "Bearer secret")
    assert [asked for asked, *_ in api.asked].count("DELETE") == 1


def test_github_removes_what_has_no_tag(api: Any, session: Transport) -> None:
    api.pages = {f"users/me/{VERSIONS}": [[version(1), version(2, TAG), version(3)]]}
    remove = removal_by_platform(
        CACHE, session=session, environ={"GITHUB_API_URL": api.url}, github_token="secret"
    )
    assert remove
    assert remove.untagged() == 2
    deleted = [path.rpartition("/")[2] for method, path, _ in api.asked if method == "DELETE"]
    assert deleted == ["1", "3"]


def test_an_answer_that_is_something_else(api: Any, session: Transport) -> None:
    api.pages = {f"orgs/me/{VERSIONS}": [[{"id": "x"}]]}
    remove = removal_by_platform(
        CACHE, session=session, environ={"GITHUB_API_URL": api.url}, github_token="secret"
    )
    assert remove
    with pytest.raises(NotAllowedError, match="list of the versions of me/app/nix-cache lacks"):
        remove.untagged()


def test_gitlab_removes_the_tag(api: Any, session: Transport) -> None:
    cache = Reference("registry.example.org", "group/project/nix-cache")
    api.pages = {
        "projects/5/registry/repositories": [[{"id": 3, "location": "x"}, {"id": 4, "location": cache.name}]]
    }
    environ = {
        "CI_API_V4_URL": api.url,
        "CI_JOB_TOKEN": "job",
        "CI_REGISTRY": "registry.example.org",
        "CI_PROJECT_ID": "5",
    }
    remove = removal_by_platform(cache, session=session, environ=environ, github_token="")
    assert remove
    remove.tag(TAG)
    method, path, headers = api.asked[-1]
    assert (method, path) == ("DELETE", f"projects/5/registry/repositories/4/tags/{TAG}")
    assert headers["JOB-TOKEN"] == "job"


@pytest.mark.parametrize(
    ("pages", "refusals", "reason"),
    [
        ({f"orgs/me/{VERSIONS}": [[version(1)]]}, {}, "has no version of me/app/nix-cache with the tag"),
        ({f"orgs/me/{VERSIONS}": [[version(1, TAG)]]}, {"DELETE": 403}, "answered 403 to DELETE orgs/me/"),
        ({}, {}, "answered 404 to GET users/me/"),
    ],
)
def test_a_refusal_says_what_was_asked(
    api: Any, session: Transport, pages: Any, refusals: Any, reason: str
) -> None:
    api.pages, api.refusals = pages, refusals
    remove = removal_by_platform(
        CACHE, session=session, environ={"GITHUB_API_URL": api.url}, github_token="secret"
    )
    assert remove
    with pytest.raises(NotAllowedError, match=reason) as caught:
        remove.tag(TAG)
    assert "secret" not in str(caught.value)


def test_no_platform_is_asked_for_the_registry_of_another(session: Transport) -> None:
    elsewhere = Reference("registry.example.org", "me/app")
    for environ, token in (
        ({}, "secret"),
        ({"CI_API_V4_URL": "x", "CI_JOB_TOKEN": "y", "CI_REGISTRY": "z"}, ""),
    ):
        assert removal_by_platform(elsewhere, session=session, environ=environ, github_token=token) is None
    assert removal_by_platform(CACHE, session=session, environ={}, github_token="") is None
