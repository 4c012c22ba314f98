"""`--cachix` through the command. The service and its client can't be had here: a proxy answers in the name of cachix.org,
by a certificate that only this test trusts, and a script stands in for the client. Nix, the build and the push are real.
"""

from __future__ import annotations

import json
import ssl
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.caches.conftest import serving
from tests.testbed.command import Publish
from tests.testbed.nix import MakeFlake
from tests.testbed.registry_tls import write_certificate

pytestmark = pytest.mark.slow

TOKEN, SIGNING_KEY = "hunter2-token", "hunter2-key"
ANSWERS = {
    "/api/v1/cache/mine": json.dumps(
        {"isPublic": True, "publicSigningKeys": ["mine.cachix.org-1:" + "B" * 43 + "="]}
    ),
    "/nix-cache-info": "StoreDir: /nix/store\nPriority: 41\n",
}


class Service(BaseHTTPRequestHandler):
    """A proxy that is the far end itself: it takes CONNECT, speaks TLS, and answers from the table."""

    certificate: tuple[Path, Path]
    seen: list[tuple[str, str]]

    def do_CONNECT(self) -> None:
        self.send_response_only(200)
        self.end_headers()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.certificate)
        try:
            with context.wrap_socket(self.connection, server_side=True) as tunnel:
                self._answer(tunnel)
        except OSError:  # Nix does not trust the certificate, and hangs up
            self.seen.append((self.path, "hung up"))
        self.close_connection = True

    def _answer(self, tunnel: ssl.SSLSocket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = tunnel.recv(4096)
            if not piece:
                raise ConnectionError("hung up before a request")
            head += piece
        path = head.split()[1].decode()
        self.seen.append((path, "token" if TOKEN.encode() in head else ""))
        body = ANSWERS[path].encode()
        tunnel.sendall(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )

    def log_message(self, *_: Any) -> None:
        pass


def test_what_was_built_is_pushed_by_the_client(
    publish: Publish, make_flake: MakeFlake, tmp_path: Path
) -> None:
    """Also what another build of the run made before it failed."""
    Service.certificate = write_certificate(tmp_path, "cachix.org", "mine.cachix.org")
    Service.seen = []
    client = tmp_path / "bin/cachix"
    client.parent.mkdir()
    client.write_text(
        f'#!/bin/sh\necho "$@ $CACHIX_AUTH_TOKEN $CACHIX_SIGNING_KEY" >>{tmp_path}/noted\ncat >>{tmp_path}/paths\n'
        'echo "pushing with $CACHIX_AUTH_TOKEN" >&2\n'
    )
    client.chmod(0o755)
    folder = make_flake(fresh=True)
    text = (folder / "flake.nix").read_text()
    behind = 'behind = make "behind" "echo ${hello}; exit 3" { };'
    (folder / "flake.nix").write_text(text.replace("default = hello;", f"default = hello; {behind}"))
    with serving(Service) as proxy:
        ended = publish(
            *("--flake", ".#behind", "--to", "oci:x", "--log-level", "debug"),
            *("--cachix", "mine", "--ca", str(Service.certificate[0])),
            cwd=folder,
            FLAKESHIP_CACHIX_AUTH_TOKEN=TOKEN,
            FLAKESHIP_CACHIX_SIGNING_KEY=SIGNING_KEY,
            HTTPS_PROXY=proxy,
            PATH=f"{client.parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
    assert ended.code == 3, ended.stderr
    assert (tmp_path / "noted").read_text() == f"push mine {TOKEN} {SIGNING_KEY}\n"
    names = [path.partition("-")[2] for path in (tmp_path / "paths").read_text().splitlines()]
    assert sorted(names) == ["hello-2.12", "hello-2.12-doc"]
    assert ("/api/v1/cache/mine", "token") in Service.seen
    assert "https://mine.cachix.org" in ended.stderr
    assert "cachix: pushing with " in ended.stderr, "and the token is left out"
    assert "handed 2 paths to the Cachix cache mine" in ended.stderr
    assert "hunter2" not in ended.stdout + ended.stderr


def test_a_service_that_is_down_is_a_warning(publish: Publish, make_flake: MakeFlake) -> None:
    ended = publish(
        *("--flake", ".#layered", "--to", "oci:x", "--cachix", "mine"),
        cwd=make_flake(),
        FLAKESHIP_CACHIX_AUTH_TOKEN=TOKEN,
        HTTPS_PROXY="http://127.0.0.1:9",
    )
    assert ended.code == 0, ended.stderr
    assert "warning: the Cachix cache mine is left out: " in ended.stderr
    assert "hunter2" not in ended.stdout + ended.stderr
