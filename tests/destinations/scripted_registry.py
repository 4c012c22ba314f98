"""A registry of a few lines that can be told to keep a request waiting, or what to answer: what a real one can't be."""

from __future__ import annotations

import itertools
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any

from tests.testbed.served import EveryMethod, served


class ScriptedRegistry:
    """`answers` are statuses by method that stand for the usual ones. `sessions` are those that are open.

    A method in `held` is answered when `released` is set; `arrived` counts its requests.
    """

    def __init__(self) -> None:
        self.host = ""
        self.answers: dict[str, int] = {}
        self.held: set[str] = set()
        self.arrived = threading.Semaphore(0)
        self.released = threading.Event()
        self.sessions: set[str] = set()
        self.asked: list[str] = []
        self.numbers = itertools.count()


class _Handler(EveryMethod):
    protocol_version = "HTTP/1.1"
    server: _Server

    def serve(self) -> None:
        registry, session = self.server.registry, self.path.rpartition("/")[2].partition("?")[0]
        registry.asked.append(self.command)
        if self.command in registry.held:
            registry.arrived.release()
            registry.released.wait(20)
        left = int(self.headers.get("Content-Length", 0))
        while left and (piece := self.rfile.read1(min(left, 1 << 16))):
            left -= len(piece)
        status = {"HEAD": 404, "POST": 202, "PATCH": 202, "PUT": 201, "DELETE": 204}.get(self.command, 200)
        status = registry.answers.get(self.command, status)
        if left:
            return
        if self.command == "POST":
            session = str(next(registry.numbers))
            registry.sessions.add(session)
        if status in (201, 204) and self.command in ("PUT", "DELETE"):
            registry.sessions.discard(session)
        self.send_response_only(status)
        self.send_header("Location", f"/v2/a/blobs/uploads/{session}")
        self.send_header("Content-Length", "0")
        self.end_headers()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    registry: ScriptedRegistry

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what is looked at."""


@contextmanager
def scripted_registry(tls: ssl.SSLContext | None = None) -> Iterator[ScriptedRegistry]:
    """Serve on a free loopback port until the block is left, in plain http unless `tls` is given."""
    server = _Server(("127.0.0.1", 0), _Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.registry = registry = ScriptedRegistry()
    registry.host = f"127.0.0.1:{server.server_address[1]}"
    with served(server):
        try:
            yield registry
        finally:
            registry.released.set()
