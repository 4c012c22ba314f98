"""An HTTP server on 127.0.0.1 that Nix reads caches from.

It answers GET and HEAD, by 404 or by what is there; a path that does not begin with the secret is not there. It is written
on sockets, since http.server takes 0.2 ms to read a request, and Nix may ask ten thousand times.
"""

from __future__ import annotations

import contextlib
import hmac
import io
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from typing import Final

from flakeship.caches.loopback.served import InFile, Nar, Served

_SECRET_BYTES: Final = 16
_HEAD_LIMIT: Final = 16 * 1024
_PIECE: Final = 256 * 1024
_CONNECTIONS: Final = 256
"""Nix opens 25: https://nix.dev/manual/nix/latest/command-ref/conf-file#conf-http-connections"""

_STRANGER_SECONDS: Final = 5.0
"""For the first request of a connection: other users of the machine may connect too, but they don't know the secret."""

_RANGE: Final = re.compile(rb"\r\nrange:[ \t]*bytes=(\d{1,18})-[ \t]*\r\n", re.IGNORECASE)
_CLOSE: Final = re.compile(rb"\r\nconnection:[ \t]*close[ \t]*\r\n", re.IGNORECASE)
_NARINFO: Final = re.compile(r"([0-9a-z]{32})\.narinfo")
_NAR: Final = re.compile(r"nar/([0-9a-z.]{1,100})")
_REASONS: Final = {
    200: "OK",
    206: "Partial Content",
    404: "Not Found",
    405: "Method Not Allowed",
    416: "Range Not Satisfiable",
}


class Loopback:
    """The server, which runs until `close`. `url` begins the URLs of all its caches, and holds the secret.

    `asked` counts the requests that knew the secret, and `broken` the bodies that could not be sent to their end.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.secret = secrets.token_hex(_SECRET_BYTES)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/{self.secret}"
        self.asked = self.broken = 0
        self._caches: dict[str, Served] = {}
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._accept, name="flakeship-loopback", daemon=True).start()

    def serve(self, number: int, cache: Served) -> str:
        """Serve a cache from now on, and return its URL."""
        self._caches[str(number)] = cache
        return f"{self.url}/{number}"

    def is_reached(self) -> bool:
        """Whether a connection from here arrives: loopback may be down in a container, or turned elsewhere by a firewall."""
        before = self.asked
        with contextlib.suppress(OSError), self._connection() as connection:
            connection.sendall(f"HEAD /{self.secret}/-/- HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
            connection.recv(1)
        return self.asked > before

    def _connection(self) -> socket.socket:
        return socket.create_connection(self._listener.getsockname(), timeout=1)

    def close(self) -> None:
        """Stop: nobody can connect any more, and every connection breaks."""
        self._closed.set()
        with contextlib.suppress(OSError):  # it wakes the thread, which `close` alone would not
            self._connection().close()
        self._listener.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for cache in self._caches.values():
            cache.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed, or no file descriptor is left for the moment
                time.sleep(0.05)
                continue
            with self._lock:
                full = self._closed.is_set() or len(self._connections) >= _CONNECTIONS
                if not full:
                    self._connections.add(connection)
            if full:
                connection.close()
            else:
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(_STRANGER_SECONDS)
            for head in _heads(connection):
                if not self._answer(connection, head):
                    break
                connection.settimeout(None)
        with self._lock:
            self._connections.discard(connection)

    def _answer(self, connection: socket.socket, head: bytes) -> bool:
        """Answer one request; return whether the connection may go on."""
        method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        target, _, version = rest.partition(" ")
        if method not in ("GET", "HEAD"):  # nothing on this machine writes with our credentials
            connection.sendall(_head(405, "Allow: GET, HEAD\r\nConnection: close\r\n"))
            return False
        cache, path = self._routed(target)
        goes_on = cache is not None and version == "HTTP/1.1" and not _CLOSE.search(head)
        end = "" if goes_on else "Connection: close\r\n"
        found = _document(cache, path) if cache else None
        if found is not None:
            connection.sendall(
                _head(200, f"Content-Type: text/x-nix-narinfo\r\n{end}", len(found))
                + (found if method == "GET" else b"")
            )
            return goes_on
        with _nar(cache, path) if cache else contextlib.nullcontext() as nar:
            if nar is None:
                connection.sendall(_head(404, end))
                return goes_on
            return self._send(connection, nar, head, end, body=method == "GET") and goes_on

    def _routed(self, target: str) -> tuple[Served | None, str]:
        words = target.partition("?")[0].split("/", 3)
        _, secret, number, path = words if len(words) == 4 else ("", "", "", "")
        known = hmac.compare_digest(secret.encode("latin-1"), self.secret.encode())
        self.asked += known
        return (self._caches.get(number), path) if known else (None, "")

    def _send(self, connection: socket.socket, nar: Nar, head: bytes, end: str, *, body: bool) -> bool:
        """Send a NAR, or the part that Nix still lacks after a broken connection; return whether all of it was sent."""
        asked = _RANGE.search(head)
        start = int(asked[1]) if asked else 0
        if start >= nar.size > 0:
            connection.sendall(_head(416, f"Content-Range: bytes */{nar.size}\r\n{end}"))
            return True
        more = f"Content-Type: application/x-nix-nar\r\nAccept-Ranges: bytes\r\n{end}"
        if start:
            more += f"Content-Range: bytes {start}-{nar.size - 1}/{nar.size}\r\n"
        connection.sendall(_head(206 if start else 200, more, nar.size - start))
        if not body:
            return True
        left = nar.size - start
        try:
            _skip(nar, start)
            if isinstance(nar.reader, io.BufferedReader):
                left -= connection.sendfile(nar.reader, nar.reader.tell(), left)
            elif isinstance(nar.reader, InFile):
                left -= connection.sendfile(*nar.reader.in_file(), left)
            else:
                while left and (data := nar.reader.read(min(left, _PIECE))):
                    connection.sendall(data)
                    left -= len(data)
        except Exception:  # noqa: BLE001 - whatever it is, Nix has to see that this is not all
            left = max(left, 1)
        self.broken += bool(left)
        return not left


def _heads(connection: socket.socket) -> Iterator[bytes]:
    """Yield the head of each request of a connection: its lines, each with its end."""
    buffer = b""
    while len(buffer) <= _HEAD_LIMIT:
        head, ended, rest = buffer.partition(b"\r\n\r\n")
        if ended:
            buffer = rest
            yield head + b"\r\n"
        elif data := connection.recv(_HEAD_LIMIT):
            buffer += data
        else:
            return


def _head(status: int, more: str = "", size: int = 0) -> bytes:
    return f"HTTP/1.1 {status} {_REASONS[status]}\r\n{more}Content-Length: {size}\r\n\r\n".encode("latin-1")


def _document(cache: Served, path: str) -> bytes | None:
    hit = _NARINFO.fullmatch(path)
    try:
        if path == "nix-cache-info":
            return cache.info()
        return cache.narinfo(hit[1]) if hit else None
    except Exception:  # noqa: BLE001 - an answer of 5xx would fail the build
        return None


@contextlib.contextmanager
def _nar(cache: Served, path: str) -> Iterator[Nar | None]:
    hit = _NAR.fullmatch(path)
    with contextlib.ExitStack() as scope:
        try:
            found = cache.nar(hit[1]) if hit else None
            nar = scope.enter_context(found) if found else None
        except Exception:  # noqa: BLE001 - an answer of 5xx would fail the build
            nar = None
        yield nar


def _skip(nar: Nar, count: int) -> None:
    while count and (data := nar.reader.read(min(count, _PIECE))):
        count -= len(data)
