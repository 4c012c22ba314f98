"""A server that answers with the very bytes that a test gives it, for answers that no real server makes."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Act: TypeAlias = bytes | Callable[[socket.socket], None]
"""What follows a request: bytes, or a function that does with the connection what it likes."""

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)")


def answer(
    status: int = 200, headers: Mapping[str, str] | None = None, body: bytes = b"", *, length: bool = True
) -> bytes:
    """A whole answer, with its Content-Length unless `length` is false."""
    lines = {"Content-Length": str(len(body)), **(headers or {})} if length else dict(headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode("latin-1") + body


@dataclass
class Scripted:
    """Speak to `host`. `acts` are done in their order, one a request, and the last one again and again.

    A connection ends after an answer that has no Content-Length, or says `Connection: close`, and after a function.
    """

    acts: list[Act]
    host: str = ""
    requests: list[str] = field(default_factory=list)
    """Method and path of each, with the number of bytes of its body that came."""
    connections: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> Act:
        with self._lock:
            return self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]

    def serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            if connection.recv(1, socket.MSG_PEEK) == b"\x16":  # a TLS hello: this end speaks plain http
                return
            self.connections += 1
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    if not (more := connection.recv(65536)):
                        return
                    data += more
                head, _, data = data.partition(b"\r\n\r\n")
                length = int(hit[1]) if (hit := _LENGTH.search(head)) else 0
                act = self.next()
                if callable(act):
                    self.requests.append(head.split(b" HTTP/")[0].decode())
                    act(connection)
                    return
                while len(data) < length and (more := connection.recv(65536)):
                    data += more
                data = data[length:]
                self.requests.append(head.split(b" HTTP/")[0].decode())
                connection.sendall(act)
                answered = act.partition(b"\r\n\r\n")[0].lower()
                if b"content-length" not in answered or b"connection: close" in answered:
                    return


@contextlib.contextmanager
def scripted(*acts: Act) -> Iterator[Scripted]:
    """Serve on a free loopback port until the block is left."""
    server = Scripted(list(acts))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.host = f"127.0.0.1:{listener.getsockname()[1]}"
        ends: list[tuple[socket.socket, threading.Thread]] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    serving = threading.Thread(target=server.serve, args=(connection,), daemon=True)
                    ends.append((connection, serving))
                    serving.start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection, serving in ends:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                serving.join()
