"""The token server of a registry that asks for Bearer: GET with Basic, or OAuth2 POST; its keys live as long as the tests."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from tests.testbed.certificates import self_issued
from tests.testbed.registry_faults import Answer, Faults
from tests.testbed.served import served

IDENTITY = "fixture-identity-token"
"""The refresh token that an OAuth2 POST may offer."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    method: str
    query: dict[str, list[str]]
    authorization: str


class TokenServer(Faults):
    """`username` and `password` may pull and push everything; nobody may pull. Rules of `Faults` apply to `/token`."""

    def __init__(self, folder: Path, username: str, password: str) -> None:
        super().__init__()
        self.username, self.password = username, password
        self.host = ""
        self.bundle = folder / "bundle.pem"
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.bundle.write_bytes(_self_signed(self._key))
        self.reset()

    def reset(self) -> None:
        self.clear()
        self.requests: list[TokenRequest] = []
        self.expires_in: int | None = 300
        self.lifetime = 300
        """Seconds that a token is really good for, whatever `expires_in` says."""
        self.speaks_oauth2 = True
        self.refused_actions: frozenset[str] = frozenset()

    def registry_config(self) -> dict[str, str]:
        return {
            "realm": f"http://{self.host}/token",
            "service": "fixture-registry",
            "issuer": "fixture-issuer",
            "rootcertbundle": str(self.bundle),
        }

    def mint(self, repository: str, actions: Sequence[str]) -> str:
        return self._signed([{"type": "repository", "name": repository, "actions": list(actions)}])

    def answer(self, request: TokenRequest) -> Answer:
        self.requests.append(request)
        trusted = self._trusts(request)
        if trusted is None:
            return Answer(401, body=b'{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}')
        if request.method == "POST" and not self.speaks_oauth2:
            return Answer(404, body=b"404 page not found")
        scopes = " ".join(request.query.get("scope", [])).split()
        document: dict[str, Any] = {"token": self._signed([self._grant(scope, trusted) for scope in scopes])}
        if self.expires_in is not None:
            document["expires_in"] = self.expires_in
        return Answer(200, {"Content-Type": "application/json"}, json.dumps(document).encode())

    def _trusts(self, request: TokenRequest) -> bool | None:
        if request.method == "POST":
            return True if request.query.get("refresh_token") == [IDENTITY] else None
        if not request.authorization:
            return False
        pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return True if request.authorization == f"Basic {pair}" else None

    def _grant(self, scope: str, trusted: bool) -> dict[str, Any]:
        kind, name, actions = scope.split(":", 2)
        allowed = {"pull", "push", "delete"} - self.refused_actions if trusted else {"pull"}
        return {"type": kind, "name": name, "actions": sorted(set(actions.split(",")) & allowed)}

    def _signed(self, access: list[dict[str, Any]]) -> str:
        now = int(time.time())
        header = {"typ": "JWT", "alg": "RS256", "kid": _key_id(self._key)}
        claims = {
            "iss": "fixture-issuer",
            "sub": self.username,
            "aud": "fixture-registry",
            "exp": now + self.lifetime,
            # distribution allows a minute of leeway, so that an expired token needs an exp well in the past
            "nbf": now - 1000,
            "iat": now,
            "jti": uuid.uuid4().hex,
            "access": access,
        }
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        return f"{signed}.{_base64(self._key.sign(signed.encode(), PKCS1v15(), hashes.SHA256()))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _key_id(key: rsa.RSAPrivateKey) -> str:
    """The libtrust form: base32 of the first 240 bits of the public key's SHA-256, in groups of four."""
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    text = base64.b32encode(hashlib.sha256(public).digest()[:30]).decode()
    return ":".join(text[start : start + 4] for start in range(0, len(text), 4))


def _self_signed(key: rsa.RSAPrivateKey) -> bytes:
    certificate = self_issued(key.public_key()).sign(key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._serve(parse_qs(urlsplit(self.path).query))

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self._serve(parse_qs(self.rfile.read(length).decode()))

    def _serve(self, query: dict[str, list[str]]) -> None:
        request = TokenRequest(self.command, query, self.headers.get("Authorization", ""))
        rule = self.server.tokens.take(self.command, self.path)
        if rule and rule.kind == "answer":
            self.server.tokens.requests.append(request)
            answer = rule.answer
        else:
            answer = self.server.tokens.answer(request)
        if rule and rule.kind == "change":
            answer = rule.change(answer)
        self.send_response_only(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    tokens: TokenServer


@contextlib.contextmanager
def token_server(folder: Path, *, username: str, password: str) -> Iterator[TokenServer]:
    """Serve on a free loopback port until the block is left."""
    tokens = TokenServer(folder, username, password)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.tokens = tokens
    tokens.host = f"127.0.0.1:{server.server_address[1]}"
    with served(server):
        yield tokens
