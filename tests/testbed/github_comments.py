"""GitHub's API for comments on pull requests, in a thread of the tests: GitHub can't be here, so this is its protocol alone.

What it answers is that of https://docs.github.com/rest/issues/comments, page by page, with the refusals of a token that
lacks `pull-requests: write`. That GitHub itself answers so is not shown by it.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.testbed.served import EveryMethod, served

_PATH: Final = re.compile(
    r"(?:/api/v[13])?/repos/(?P<repository>[^/]+/[^/]+)/issues/(?:(?P<number>\d+)/comments|comments/(?P<comment>\d+))"
)
TOKEN: Final = "ghs_CaNaRyOfThisJob"
BOT: Final = {"login": "github-actions[bot]", "type": "Bot"}


@dataclass(slots=True)
class CommentApi:
    """`comments` are those of each pull request, by repository and number; `asked` are methods and paths."""

    host: str = ""
    comments: dict[tuple[str, int], list[dict[str, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    may_write: bool = True
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    """What is answered by method, in the place of what is right."""

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def add(self, number: int, body: str, *, repository: str = "octo/app", **more: Any) -> dict[str, Any]:
        there = self.comments.setdefault((repository, number), [])
        made = {
            "id": 1000 * number + len(there),
            "body": body,
            "user": BOT,
            "author_association": "NONE",
        } | more
        there.append(made)
        return made

    def bodies(self, number: int, repository: str = "octo/app") -> list[str]:
        return [comment["body"] for comment in self.comments.get((repository, number), [])]

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        self.asked.append((method, path))
        if method in self.answers:
            return *self.answers[method], {}
        parts = urlsplit(path)
        found = _PATH.fullmatch(parts.path)
        if not found:
            return 404, {"message": "Not Found"}, {}
        if token != f"Bearer {TOKEN}":
            return 401, {"message": "Bad credentials"}, {}
        if method == "GET":
            query = {key: int(values[0]) for key, values in parse_qs(parts.query).items()}
            each = query.get("per_page", 30)
            page = query.get("page", 1)
            listed = self.comments.get((found["repository"], int(found["number"])), [])
            more = len(listed) > page * each
            link = {"Link": f'<{self.url}{parts.path}?page={page + 1}>; rel="next"'} if more else {}
            return 200, listed[(page - 1) * each : page * each], link
        if not self.may_write:
            return 403, {"message": "Resource not accessible by integration"}, {}
        text = json.loads(body)["body"]
        if len(text) > 65_536:
            return 422, {"message": "Validation Failed"}, {}
        if method == "POST":
            return 201, self.add(int(found["number"]), text, repository=found["repository"]), {}
        for comment in (each for there in self.comments.values() for each in there):
            if comment["id"] == int(found["comment"]):
                comment["body"] = text
                return 200, comment, {}
        return 404, {"message": "Not Found"}, {}


class _Handler(EveryMethod):
    def serve(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, document, headers = server.api.answer(
            self.command, self.path, self.headers.get("Authorization", ""), body
        )
        data = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


@contextlib.contextmanager
def comment_api() -> Iterator[CommentApi]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.api = CommentApi(f"127.0.0.1:{server.server_port}")
    with served(server):
        yield server.api


@pytest.fixture
def api() -> Iterator[CommentApi]:
    """Stands for the fixture of this name in a module that imports it."""
    with comment_api() as running:
        yield running
