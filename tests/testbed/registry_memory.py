"""A registry in memory, in a thread of the tests: what the distribution-spec has one do, as docker-registry does it.

It makes rules of ours fast to show. That they hold for a real registry is shown by the same tests where they stand.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
import re
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.testbed.registry import PASSWORD, USERNAME, Access, Registry
from tests.testbed.registry_faults import Answer
from tests.testbed.registry_token import TokenServer
from tests.testbed.served import EveryMethod, served

_PATH: Final = re.compile(
    r"/v2/(?:(?P<name>.+)/(?P<kind>blobs/uploads|blobs|manifests|tags)/(?P<reference>[^/]*))?"
)
_ACTIONS: Final = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _error(status: int, code: str, detail: object = None) -> Answer:
    error = {"code": code, "message": code.lower().replace("_", " "), "detail": detail}
    return Answer(status, {"Content-Type": "application/json"}, json.dumps({"errors": [error]}).encode())


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `body` is None where the connection broke before all of it had come."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(slots=True)
class MemoryRegistry(Registry):
    """With `username` it asks for Basic, with `tokens` for a Bearer token of that server, whose signature is believed."""

    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    sessions: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    asked: list[Access] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def open_uploads(self, repository: str) -> list[str]:
        return sorted(key for key, (name, _) in list(self.sessions.items()) if name == repository)

    def accesses(self, part: str = "") -> list[Access]:
        return [access for access in list(self.asked) if part in access.path]

    def answer(self, asked: Asked) -> Answer:
        answer = self._challenge(asked) or self._answer(asked)
        self.asked.append(Access(asked.method, asked.path, answer.status))
        return answer

    def _answer(self, asked: Asked) -> Answer:
        parts = urlsplit(asked.path)
        hit = _PATH.fullmatch(parts.path)
        if not hit:
            return Answer(404)
        if not hit["name"]:
            return Answer(200, body=b"{}")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match hit["kind"]:
            case "blobs/uploads":
                return self._upload(asked, hit["name"], hit["reference"], query)
            case "blobs":
                return self._blob(asked, (hit["name"], hit["reference"]))
            case "manifests":
                return self._manifest(asked, hit["name"], hit["reference"])
            case _:
                tags = [tag for name, tag in self.manifests if name == hit["name"] and ":" not in tag]
                return Answer(200, body=json.dumps({"tags": tags}).encode())

    def _upload(self, asked: Asked, name: str, session: str, query: Mapping[str, str]) -> Answer:
        if asked.method == "POST":
            if blob := self.blobs.get((query.get("from", ""), query.get("mount", ""))):
                self.blobs[name, query["mount"]] = blob
                return Answer(201, {"Location": f"/v2/{name}/blobs/{query['mount']}"})
            session = str(next(self._numbers))
            self.sessions[session] = name, b""
        elif session not in self.sessions:
            return _error(404, "BLOB_UPLOAD_UNKNOWN")
        elif asked.method == "DELETE" or asked.body is None:
            del self.sessions[session]
            return Answer(204)
        elif asked.method == "PATCH":
            self.sessions[session] = name, self.sessions[session][1] + asked.body
        else:
            data = self.sessions.pop(session)[1] + asked.body
            if _digest(data) != query.get("digest"):
                return _error(400, "DIGEST_INVALID")
            self.blobs[name, query["digest"]] = data
            return Answer(201, {"Docker-Content-Digest": query["digest"]})
        return Answer(
            202, {"Location": f"http://{asked.headers['Host']}/v2/{name}/blobs/uploads/{session}?state=x"}
        )

    def _blob(self, asked: Asked, key: tuple[str, str]) -> Answer:
        data = self.blobs.get(key)
        if data is None:
            return _error(404, "BLOB_UNKNOWN")
        if asked.method == "DELETE":
            del self.blobs[key]
            return Answer(202)
        headers = {"Docker-Content-Digest": key[1], "Content-Type": "application/octet-stream"}
        if hit := re.fullmatch(r"bytes=(\d+)-", asked.headers.get("Range", "")):
            headers["Content-Range"] = f"bytes {hit[1]}-{len(data) - 1}/{len(data)}"
            return Answer(206, headers, data[int(hit[1]) :])
        return Answer(200, headers, data)

    def _manifest(self, asked: Asked, name: str, reference: str) -> Answer:
        if asked.method == "PUT":
            return self._put_manifest(asked, name, reference)
        media_type, data = self.manifests.get((name, reference), ("", b""))
        if not data:
            return _error(404, "MANIFEST_UNKNOWN")
        return Answer(200, {"Docker-Content-Digest": _digest(data), "Content-Type": media_type}, data)

    def _put_manifest(self, asked: Asked, name: str, reference: str) -> Answer:
        data = asked.body or b""
        document = json.loads(data)
        held = [entry["digest"] for entry in (*document.get("layers", ()), document.get("config")) if entry]
        listed = [entry["digest"] for entry in document.get("manifests", ())]
        missing = [digest for digest in held if (name, digest) not in self.blobs]
        missing += [digest for digest in listed if (name, digest) not in self.manifests]
        if missing:
            return _error(404, "MANIFEST_BLOB_UNKNOWN", {"digest": missing[0]})
        if ":" in reference and reference != _digest(data):
            return _error(400, "DIGEST_INVALID")
        for key in (reference, _digest(data)):
            self.manifests[name, key] = asked.headers["Content-Type"], data
        return Answer(201, {"Docker-Content-Digest": _digest(data)})

    def _challenge(self, asked: Asked) -> Answer | None:
        """The answer to a request without the right credentials."""
        said = asked.headers.get("Authorization", "")
        if not self.username:
            return None
        if not self.tokens:
            pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            return None if said == f"Basic {pair}" else _unauthorized('Basic realm="fixture"')
        hit = _PATH.fullmatch(urlsplit(asked.path).path)
        name = (hit and hit["name"]) or ""
        action = _ACTIONS.get(asked.method, "push")
        if said.startswith("Bearer ") and _allows(said.removeprefix("Bearer "), name, action):
            return None
        service = f'Bearer realm="http://{self.tokens.host}/token",service="fixture-registry"'
        wider = f',scope="repository:{name}:{action}"' if name else ""
        return _unauthorized(service + wider + (',error="insufficient_scope"' if said and name else ""))


def _unauthorized(challenge: str) -> Answer:
    answer = _error(401, "UNAUTHORIZED")
    return Answer(401, {**answer.headers, "WWW-Authenticate": challenge}, answer.body)


def _allows(token: str, name: str, action: str) -> bool:
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    if claims["exp"] < time.time() - 60:
        return False
    return not name or any(entry["name"] == name and action in entry["actions"] for entry in claims["access"])


class _Handler(EveryMethod):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_one_request(self) -> None:
        with contextlib.suppress(OSError):  # a client that hangs up is an everyday thing here
            if self.connection.recv(1, socket.MSG_PEEK) != b"\x16":  # a TLS hello: this end speaks plain http
                super().handle_one_request()
                return
        self.close_connection = True

    def serve(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        whole = body if len(body) == length else None
        answer = self.server.registry.answer(Asked(self.command, self.path, dict(self.headers), whole))
        self.send_response_only(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        if self.command != "HEAD" and answer.status != 204:
            self._headers_buffer.append(b"\r\n" + answer.body)
            self.flush_headers()
        else:
            self.end_headers()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    registry: MemoryRegistry


M = TypeVar("M", bound=MemoryRegistry)


def memory_registry(**asks: Any) -> contextlib.AbstractContextManager[MemoryRegistry]:
    """Serve on a free loopback port until the block is left; `asks` are `username`, `password` and `tokens`."""
    return memory_registry_of(MemoryRegistry, **asks)


@contextlib.contextmanager
def memory_registry_of(made: type[M], **asks: Any) -> Iterator[M]:
    """The same for a registry of another manner."""
    server = _Server(("127.0.0.1", 0), _Handler)
    nowhere = Path("/nonexistent")
    server.registry = registry = made(f"127.0.0.1:{server.server_address[1]}", nowhere, nowhere, **asks)
    with served(server):
        try:
            yield registry
        finally:
            registry._opened.close()


@pytest.fixture(scope="module")
def registry() -> Iterator[MemoryRegistry]:
    """Stands for the fixture of this name in a module that imports it, and so do those below."""
    with memory_registry() as running:
        yield running


@pytest.fixture(scope="module")
def basic_registry() -> Iterator[MemoryRegistry]:
    with memory_registry(username=USERNAME, password=PASSWORD) as running:
        yield running


@pytest.fixture(scope="module")
def _token_registry(_token_server: TokenServer) -> Iterator[MemoryRegistry]:
    with memory_registry(username=USERNAME, password=PASSWORD, tokens=_token_server) as running:
        yield running
