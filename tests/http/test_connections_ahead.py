"""Connections that are opened before a request needs them, and TLS sessions that go on from one to the next."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flakeship.http.errors import WireError
from tests.destinations.pushing import Pusher
from tests.testbed.registry_tls import write_certificate


@dataclass
class Greeter:
    """Answers each request with 200, and keeps what it learned of each connection: whether its session was resumed."""

    port: int = 0
    resumed: list[bool] = field(default_factory=list)
    opened: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


@contextlib.contextmanager
def greeting(tls: ssl.SSLContext | None = None) -> Iterator[Greeter]:
    greeter = Greeter()
    with socket.create_server(("127.0.0.1", 0)) as server:
        greeter.port = server.getsockname()[1]

        def serve(connection: socket.socket) -> None:
            with (
                contextlib.suppress(OSError),
                tls.wrap_socket(connection, server_side=True) if tls else connection as wrapped,
            ):
                greeter.resumed.append(isinstance(wrapped, ssl.SSLSocket) and bool(wrapped.session_reused))
                greeter.opened.release()
                while wrapped.recv(4096):
                    wrapped.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield greeter


@contextlib.contextmanager
def greeting_over_tls(folder: Path, version: ssl.TLSVersion) -> Iterator[tuple[Greeter, Path]]:
    """The same over one version of TLS, with the certificate to trust."""
    certificate, key = write_certificate(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    tls.minimum_version = tls.maximum_version = version
    with greeting(tls) as greeter:
        yield greeter, certificate


def wait_for(greeter: Greeter, count: int) -> None:
    """Wait until `count` connections are open on both sides."""
    for _ in range(count):
        assert greeter.opened.acquire(timeout=10)
    for thread in threading.enumerate():
        if "_connected" in thread.name:
            thread.join(10)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_tls_session_goes_on(pusher: Pusher, tmp_path: Path, version: ssl.TLSVersion) -> None:
    with greeting_over_tls(tmp_path, version) as (greeter, certificate):
        transport = pusher.transport(ca=str(certificate))
        url = f"https://127.0.0.1:{greeter.port}/"
        transport.exchange("GET", url, headers={}).read()
        transport.connect_ahead(url, 3)
        wait_for(greeter, 3)
        assert greeter.resumed == [False, True, True], "one is idle, and two are opened"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_what_is_opened_ahead_over_tls_is_used(
    pusher: Pusher, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """With TLS 1.3 a server sends sessions behind the handshake, which are no sign that the connection has ended."""
    with greeting_over_tls(tmp_path, version) as (greeter, certificate):
        transport = pusher.transport(ca=str(certificate))
        url = f"https://127.0.0.1:{greeter.port}/"
        transport.exchange("GET", url, headers={}).read()
        transport.connect_ahead(url, 5)
        wait_for(greeter, 5)
        with ThreadPoolExecutor(5) as pool:
            for _ in pool.map(lambda _: transport.exchange("GET", url, headers={}).read(), range(5)):
                pass
        assert len(greeter.resumed) == 5


def test_what_is_opened_ahead_is_used(pusher: Pusher) -> None:
    with greeting() as greeter:
        transport = pusher.transport()
        url = f"http://127.0.0.1:{greeter.port}/"
        transport.connect_ahead(url, 2)
        wait_for(greeter, 2)
        transport.exchange("GET", url, headers={}).read()
        transport.connect_ahead(url, 2)
        transport.exchange("GET", url, headers={}).read()
        assert len(greeter.resumed) == 2, "two are idle"


def test_a_server_that_is_not_there_is_told_of_by_the_request(pusher: Pusher) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        pusher.transport().connect_ahead(f"http://127.0.0.1:{taken.getsockname()[1]}/", 2)
        wait_for(Greeter(), 0)
    assert not pusher.events


def test_a_handshake_that_fails_ahead_fails_for_the_request_as_any_other(pusher: Pusher) -> None:
    """A registry of this machine is asked by TLS first, and may speak plain http."""
    with greeting() as greeter:
        transport = pusher.transport()
        url = f"https://127.0.0.1:{greeter.port}/"
        transport.connect_ahead(url, 2)
        wait_for(greeter, 2)
        with pytest.raises(WireError):
            transport.exchange("GET", url, headers={})


def test_nothing_is_opened_ahead_through_a_proxy(pusher: Pusher) -> None:
    with greeting() as greeter:
        transport = pusher.transport(environ={"http_proxy": f"http://127.0.0.1:{greeter.port}"})
        transport.connect_ahead("http://registry.example/", 2)
        transport.exchange("GET", "http://registry.example/", headers={}).read()
        assert len(greeter.resumed) == 1
