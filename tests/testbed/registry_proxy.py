"""A fault proxy in threads: client → proxy → real registry, failing where its rules say, recording every request."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.testbed.registry_faults import Answer, Faults, Rule
from tests.testbed.served import served

_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request as it came to the proxy. `received` is in bytes of body that came; `status` 0 where none went back.

    `at` is in seconds of the monotonic clock.
    """

    method: str
    path: str
    headers: dict[str, str]
    received: int
    status: int
    at: float = field(default_factory=time.monotonic, compare=False)


class FaultProxy(Faults):
    """Speak to `host` in the registry's stead; the rules are those of `Faults`.

    With `tokens`, the `host:port` of its token server, it stands before both: `/token` is passed on there, and the
    registry's answers name `host` as the realm.
    """

    def __init__(self, upstream: str, *, tokens: str = "") -> None:
        super().__init__()
        self.upstream = upstream
        self.tokens = tokens
        self.host = ""
        self.requests: list[Recorded] = []
        self._served = threading.Condition()
        self._serving = 0

    def of(self, method: str, part: str = "") -> list[Recorded]:
        return [entry for entry in list(self.requests) if entry.method == method and part in entry.path]

    @property
    def received(self) -> int:
        return sum(entry.received for entry in list(self.requests))

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Around each request."""
        with self._served:
            self._serving += 1
        try:
            yield
        finally:
            with self._served:
                self._serving -= 1
                self._served.notify_all()

    def idle(self, *, within: float) -> bool:
        """Wait until no request is on its way: what a client that is gone has begun is passed on to its end."""
        with self._served:
            return self._served.wait_for(lambda: self._serving == 0, within)

    def behind(self, path: str) -> str:
        """Who is asked for `path`."""
        return self.tokens if self.tokens and path.startswith("/token") else self.upstream

    def returned(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        if not self.tokens:
            return headers
        return [(name, value.replace(f"//{self.tokens}/", f"//{self.host}/")) for name, value in headers]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    received = 0
    _recorded = False

    def handle_one_request(self) -> None:
        if self.connection.recv(1, socket.MSG_PEEK) == b"\x16":  # a TLS hello: this end speaks plain HTTP
            self.close_connection = True
            return
        self.received = 0
        super().handle_one_request()

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        self._recorded = False
        with self.server.proxy.serving():
            try:
                self._fulfil(self.server.proxy.take(self.command, self.path))
            finally:
                if not self._recorded:  # the client is gone, or a rule wrote bytes of its own
                    self._record(0)

    def _record(self, status: int) -> None:
        """Before the answer goes out, so that a test that has it finds the record."""
        self._recorded = True
        record = Recorded(self.command, self.path, dict(self.headers), self.received, status)
        self.server.proxy.requests.append(record)

    def _fulfil(self, rule: Rule | None) -> int:
        if rule and rule.kind == "answer":
            if not rule.early:
                for _ in self._body():
                    pass
            self.close_connection = rule.early or self.close_connection
            return self._answer(rule.answer)
        if rule and rule.kind == "reset" and not rule.after_bytes:
            return self._hang_up()
        if rule and rule.kind == "hold":
            return self._fulfil(None) if rule.hold.passes() else self._hang_up()
        if rule and rule.kind == "act":
            self.close_connection = True
            rule.act(Exchange(self))
            return 0
        with contextlib.closing(self._connection()) as connection:
            if not self._pass_on(connection, rule):
                return self._hang_up()
            response = connection.getresponse()
            if rule is None:
                return self._stream(response)
            answer = self._whole(response)
        return self._hang_up() if rule.kind == "lose" else self._answer(rule.change(answer))

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.server.proxy.behind(self.path), timeout=60)

    def _whole(self, response: http.client.HTTPResponse) -> Answer:
        headers = dict(self.server.proxy.returned(response.getheaders()))
        if self.command != "HEAD":  # the body may be changed, and its length is written anew
            headers.pop("Content-Length", None)
        return Answer(response.status, headers, response.read())

    def _pass_on(self, connection: http.client.HTTPConnection, rule: Rule | None) -> bool:
        """False where the rule says that the connections break in the middle."""
        self._send_head(connection)
        for piece in self._body():
            connection.send(self._framed(piece))
            if rule and rule.kind == "reset" and self.received >= rule.after_bytes:
                return False
        if self._chunked:
            connection.send(self._framed(b""))
        return True

    def _send_head(self, connection: http.client.HTTPConnection) -> None:
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, value)
        connection.endheaders()

    @property
    def _chunked(self) -> bool:
        return "chunked" in self.headers.get("Transfer-Encoding", "").lower()

    def _framed(self, piece: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece

    def _body(self) -> Iterator[bytes]:
        if self._chunked:
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                piece = self.rfile.read(size)
                self.received += len(piece)
                yield piece
                self.rfile.readline()
            self.rfile.readline()
            return
        missing = int(self.headers.get("Content-Length", 0))
        while missing:
            piece = self.rfile.read1(min(_PIECE, missing))
            if not piece:  # so that the server is not kept waiting for the rest
                raise ConnectionResetError("the client is gone")
            missing -= len(piece)
            self.received += len(piece)
            yield piece

    def _stream(self, response: http.client.HTTPResponse) -> int:
        self._head(response.status, self.server.proxy.returned(response.getheaders()))
        while piece := response.read(_PIECE):
            self.wfile.write(piece)
        return response.status

    def _answer(self, answer: Answer) -> int:
        without = self.command == "HEAD" or answer.status in (204, 304)
        length = {} if without else {"Content-Length": str(len(answer.body))}
        self._head(answer.status, [*{**length, **answer.headers}.items()])
        if not without:
            self.wfile.write(answer.body)
        return answer.status

    def _head(self, status: int, headers: list[tuple[str, str]]) -> None:
        self._record(status)
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _hang_up(self) -> int:
        self._record(0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        return 0

    def log_message(self, *_: Any) -> None:
        pass


class Exchange:
    """One request in the hands of a rule, down to the bytes; the connection ends with it."""

    def __init__(self, handler: _Handler) -> None:
        self._handler = handler
        self.method, self.path = handler.command, handler.path
        self.size = int(handler.headers.get("Content-Length", 0))
        self.connection: socket.socket = handler.connection

    def body(self) -> Iterator[bytes]:
        """The pieces of the request's body as they come."""
        return self._handler._body()

    def forward(self, change: Callable[[bytes], bytes] = lambda piece: piece) -> Answer:
        """Let the server do it, with each piece of the body changed to another of its length."""
        handler = self._handler
        with contextlib.closing(handler._connection()) as connection:
            handler._send_head(connection)
            for piece in self.body():
                connection.send(handler._framed(change(piece)))
            if handler._chunked:
                connection.send(handler._framed(b""))
            return handler._whole(connection.getresponse())

    def answer(self, answer: Answer) -> None:
        self._handler._answer(answer)

    def write(self, data: bytes, *, status: int = 0) -> None:
        """Send these bytes as they are; with a `status` the request is recorded first."""
        if status:
            self._handler._record(status)
        self.connection.sendall(data)

    def reset(self) -> None:
        self._handler._hang_up()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    proxy: FaultProxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is an everyday thing here."""

    def shutdown_request(self, request: Any) -> None:
        # No shutdown() before close(): with SO_LINGER 0 the close alone must reach the client, as a reset.
        self.close_request(request)


@contextlib.contextmanager
def fault_proxy(upstream: str, *, tokens: str = "") -> Iterator[FaultProxy]:
    """Serve on a free loopback port until the block is left; `tokens` is the token server's `host:port`."""
    proxy = FaultProxy(upstream, tokens=tokens)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.proxy = proxy
    proxy.host = f"127.0.0.1:{server.server_address[1]}"
    with served(server):
        try:
            yield proxy
        finally:
            proxy.clear()
