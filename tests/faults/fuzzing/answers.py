"""Answers of a registry, fed to the whole client: head, challenge and error page."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from flakeship.events import ignore
from flakeship.http.transport import Transport
from flakeship.registry.challenge import parse_challenges, usable_challenge
from flakeship.registry.errors import error_for
from tests.destinations.pushing import ManualClock
from tests.faults.fuzzing.mutation import mutated, mutated_json

_ERRORS: Final = {
    "errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": "unknown", "detail": {"digest": "sha256:0"}}]
}
_CHALLENGE: Final = b'Bearer realm="https://auth.example/token",service="registry",scope="repository:a/b:pull,push", Basic realm=x'
_HEADS: Final = (
    b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
    b"HTTP/1.1 429 X\r\nRetry-After: 3\r\nDate: Fri, 31 Dec 1999 23:59:59 GMT\r\nConnection: close\r\nX: %d\r\n\r\n",
    b"HTTP/1.1 401 X\r\nWWW-Authenticate: " + _CHALLENGE + b"\r\nContent-Length: %d\r\n\r\n",
    b"HTTP/1.1 307 X\r\nLocation: https://other.example/v2/?a=%%2f\r\nContent-Length: %d\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\nX: %d\r\n\r\n",
)
_WORDS: Final = (
    b"\r\n",
    b"HTTP/1.1 ",
    b"Content-Length: ",
    b"chunked",
    b"Bearer ",
    b'="',
    b'\\"',
    b",",
    b"gzip",
    b"100 Continue\r\n\r\n",
)


class Answering:
    """A server on loopback that sends the input for whatever it is asked, and then hangs up."""

    @staticmethod
    def make(chance: random.Random) -> bytes:
        body = mutated_json(_ERRORS, chance)
        head = chance.choice(_HEADS) % len(body)
        return (
            mutated(head, chance, _WORDS) + body
            if chance.random() < 0.7
            else mutated(head + body, chance, _WORDS)
        )

    @staticmethod
    @contextmanager
    def opened(folder: Path) -> Iterator[Callable[[bytes], object]]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            host = f"127.0.0.1:{server.getsockname()[1]}"
            clock = ManualClock().as_clock()
            with Transport(ca=None, plain_http=[host], environ={}, emit=ignore, clock=clock) as transport:
                current = [b""]
                answering = threading.Thread(target=_answer, args=(server, current))
                answering.start()

                def read(data: bytes) -> None:
                    current[0] = data
                    _exchange(transport, host)

                try:
                    yield read
                finally:
                    server.shutdown(socket.SHUT_RDWR)
                    answering.join()


def _exchange(transport: Transport, host: str) -> None:
    # a redirect of the input may lead anywhere: nothing is asked but this server
    response = transport._once("GET", f"http://{host}/v2/", {}, None, 5.0)
    with response:
        usable_challenge(parse_challenges(response.headers.get("WWW-Authenticate", "")))
        error_for(response)


def _answer(server: socket.socket, current: list[bytes]) -> None:
    """Until the server is shut down."""
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(current[0])
