"""One HTTP exchange by the adapter of requests: large blocks, stall timeouts that only idle time counts, our TLS trust.

The adapter alone, without a Session: what a Session adds (.netrc, cookies, redirects, proxies of os.environ) is each
a way for credentials to travel where they were not meant to go (CVE-2024-47081, CVE-2018-18074).
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Final

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from flakeship import __version__
from flakeship.http.body import SizedReader
from flakeship.http.failures import wire_error
from flakeship.http.origin import Origin
from flakeship.http.response import Response
from flakeship.http.timeouts import CONNECT_TIMEOUT, STALL_TIMEOUT

BLOCK_SIZE: Final = 1024 * 1024
"""Bytes of a body read and handed to the kernel at once: http.client's 8 KiB cost half of the speed."""


class _Sending:
    """Sends piece by piece, so that the timeout counts the time without progress.

    `sendall` counts the time for all of its data, and urllib3 leaves the connect timeout in force while it sends:
    a line that is slow but alive would be cut.
    """

    def send(self: Any, data: Any) -> None:
        if self.sock is None or not isinstance(data, bytes):
            super().send(data)  # type: ignore[misc]
            return
        self.sock.settimeout(STALL_TIMEOUT)
        view = memoryview(data)
        while view:
            view = view[self.sock.send(view) :]


class _Reaching:
    """Looks for the host in a thread of its own: while a dead name server is waited for, no signal is heard in it."""

    def _new_conn(self: Any) -> socket.socket:
        connect: Callable[[], socket.socket] = super()._new_conn  # type: ignore[misc]
        if threading.current_thread() is not threading.main_thread():
            return connect()
        made: Future[socket.socket] = Future()

        def reach() -> None:
            try:
                made.set_result(connect())
            except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
                made.set_exception(error)

        threading.Thread(target=reach, daemon=True).start()
        return made.result()


class _PlainConnection(_Reaching, _Sending, HTTPConnection):
    pass


class _TlsConnection(_Reaching, _Sending, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS: Final = {"http": _PlainPool, "https": _TlsPool}


class Adapter(HTTPAdapter):
    """Trusts what `trust` says and no other; made for many threads."""

    def __init__(self, trust: ssl.SSLContext) -> None:
        self._trust = trust
        super().__init__(pool_connections=32, pool_maxsize=64, max_retries=0)

    def answer(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: SizedReader | bytes | None,
        timeout: float,
        proxies: Mapping[str, str],
    ) -> Response:
        """To one request. WireError where there is none."""
        try:
            answer = self.send(
                _prepared(method, url, headers, content),
                stream=True,
                timeout=(CONNECT_TIMEOUT, timeout),
                proxies=proxies,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise wire_error(error, Origin.of(url)) from error
        return Response(method, url, answer)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, blocksize=BLOCK_SIZE, **kwargs)
        self.poolmanager: PoolManager
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(
            proxy, blocksize=BLOCK_SIZE, proxy_ssl_context=self._trust, **kwargs
        )
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host, _ = super().build_connection_pool_key_attributes(request, verify=True)
        return host, {"ssl_context": self._trust} if host["scheme"] == "https" else {}

    def cert_verify(self, *_: Any) -> None:
        """Nothing to do: the context of the pool verifies."""


def _prepared(
    method: str, url: str, headers: Mapping[str, str], body: SizedReader | bytes | None
) -> requests.PreparedRequest:
    request = requests.PreparedRequest()
    request.prepare_method(method)
    request.url = (
        url  # as it is: requests would quote it anew, and a signed Location be no longer what was signed
    )
    usual = {"User-Agent": f"flakeship/{__version__}", "Accept-Encoding": "identity"}
    request.prepare_headers({**usual, **headers})
    request.prepare_body(body, None)
    return request
