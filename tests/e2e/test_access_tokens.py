"""Private inputs by `access-tokens`: real Nix asks a stand-in for the API of a GitHub server of one's own, which it reaches by a proxy.

The stand-in speaks GitHub's protocol as Nix uses it, and knows one repository and one token:
https://docs.github.com/rest/repos/contents#download-a-repository-archive-tar
"""

from __future__ import annotations

import http.server
import io
import json
import ssl
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testbed.command import Ended, Publish
from tests.testbed.registry_tls import write_certificate
from tests.testbed.ssh import write_sauced

pytestmark = pytest.mark.slow

HOST = "git.example"
TOKEN = "github_pat_CaNaRyToken9"
REVISION = "5" * 40


class _Api(http.server.BaseHTTPRequestHandler):
    """A proxy that leads to itself: behind CONNECT it is the server that was asked for."""

    protocol_version = "HTTP/1.1"
    tls: ssl.SSLContext

    def do_CONNECT(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with self.tls.wrap_socket(self.connection, server_side=True) as inner:
            type(self)(inner, self.client_address, self.server)
        self.close_connection = True

    def do_GET(self) -> None:
        repository = "/repos/harbour/sauce"  # below /api/v3, but in Nix 2.8
        answers = {
            f"{repository}/commits/HEAD": json.dumps({"sha": REVISION}).encode(),
            f"{repository}/tarball/{REVISION}": _tarball(),
        }
        body = answers.get(self.path.removeprefix("/api/v3").partition("?")[0])
        if self.headers["Authorization"] != f"token {TOKEN}":
            body = None  # to a stranger GitHub denies that there is such a repository
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        pass


def _tarball() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        file = tarfile.TarInfo("harbour-sauce-5555555/secret-sauce")
        file.size = len(b"tahini")
        tar.addfile(file, io.BytesIO(b"tahini"))
    return made.getvalue()


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """By which Nix reaches the stand-in, whatever name it asks for, and believes it."""
    certificate, key = write_certificate(tmp_path, HOST, f"api.{HOST}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    handler = type("Handler", (_Api,), {"tls": context})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that hangs up
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield {
            "https_proxy": f"http://127.0.0.1:{server.server_port}",
            "no_proxy": "",
            "NIX_SSL_CERT_FILE": str(certificate),
        }
        server.shutdown()
        thread.join()


def published(publish: Publish, folder: Path, environ: dict[str, str], token: str) -> Ended:
    config = f"access-tokens = {HOST}={token}"
    flags = ("--flake", "path:.", "--to", "oci:image", "--log-level", "debug")
    return publish(*flags, cwd=folder, FLAKESHIP_NIX_CONFIG=config, **environ)


def test_a_private_input_is_fetched_by_the_token(
    publish: Publish, tmp_path: Path, environ: dict[str, str]
) -> None:
    write_sauced(tmp_path / "app", f"github:harbour/sauce?host={HOST}")
    refused = published(publish, tmp_path / "app", environ, "CaNaRyOther9")
    assert refused.code == 3
    assert "access-tokens" in refused.stderr, refused.stderr
    done = published(publish, tmp_path / "app", environ, TOKEN)
    assert done.code == 0, done.stderr
    assert (tmp_path / "app/image/index.json").exists()
    assert "CaNaRy" not in done.stderr + done.stdout + refused.stderr
