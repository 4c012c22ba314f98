"""One HTTP exchange through the adapter of requests: large blocks, timeouts that count idle time only, our TLS context.

The adapter is used without a Session of requests. Everything that a Session adds (.netrc, cookies, redirects, the
proxies of os.environ) can carry credentials to a place that they were not meant for (CVE-2024-47081, CVE-2018-18074).
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
"""Bytes of a body that are read and given to the kernel at once. The 8 KiB of http.client halve the speed."""


class _PiecewiseSend:
    """A mixin that sends a body piece by piece, so that the timeout counts only the time without progress."""

    def send(self: Any, data: Any) -> None:
        if self.sock is None or not isinstance(data, bytes):
            super().send(data)  # type: ignore[misc]
            return
        # socket.sendall counts the time of all its data, and urllib3 leaves the connect timeout in force while it
        # sends: a connection that is slow but alive would be cut (https://docs.python.org/3/library/socket.html).
        self.sock.settimeout(STALL_TIMEOUT)
        view = memoryview(data)
        while view:
            view = view[self.sock.send(view) :]


class _ConnectInThread:
    """A mixin that connects in another thread when it is called in the main one.

    Python handles signals in the main thread only, and not while getaddrinfo waits for a name server that is down:
    https://docs.python.org/3/library/signal.html#signals-and-threads.
    """

    def _new_conn(self: Any) -> socket.socket:
        connect: Callable[[], socket.socket] = super()._new_conn  # type: ignore[misc]
        if threading.current_thread() is not threading.main_thread():
            return connect()
        connected: Future[socket.socket] = Future()

        def run() -> None:
            try:
                connected.set_result(connect())
            except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
                connected.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return connected.result()


class _HttpConnection(_ConnectInThread, _PiecewiseSend, HTTPConnection):
    pass


class _HttpsConnection(_ConnectInThread, _PiecewiseSend, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


_POOLS: Final = {"http": _HttpPool, "https": _HttpsPool}


class Adapter(HTTPAdapter):
    """An adapter of requests that verifies servers with `trust` only. It may be used by many threads at once."""

    def __init__(self, trust: ssl.SSLContext) -> None:
        self._trust = trust
        super().__init__(pool_connections=32, pool_maxsize=64, max_retries=0)

    def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: SizedReader | bytes | None,
        timeout: float,
        proxies: Mapping[str, str],
    ) -> Response:
        """Send one request and return the answer, with its body still to be read. `timeout` is in seconds.

        `proxies` maps a scheme to the URL of an HTTP proxy. A redirect is returned and not followed. WireError is
        raised when no answer comes.
        """
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
        """Make the pools of direct connections use our connections and blocks."""
        super().init_poolmanager(*args, blocksize=BLOCK_SIZE, **kwargs)
        self.poolmanager: PoolManager
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> ProxyManager:
        """Make the pools of connections through a proxy use our connections, blocks and TLS context."""
        manager: ProxyManager = super().proxy_manager_for(
            proxy, blocksize=BLOCK_SIZE, proxy_ssl_context=self._trust, **kwargs
        )
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """Give the pool of a host our TLS context in place of the one of requests, which trusts certifi only."""
        host, _ = super().build_connection_pool_key_attributes(request, verify=True)
        return host, {"ssl_context": self._trust} if host["scheme"] == "https" else {}

    def cert_verify(self, *_: Any) -> None:
        """Do nothing: the TLS context of the pool verifies the certificate."""


def _prepared(
    method: str, url: str, headers: Mapping[str, str], body: SizedReader | bytes | None
) -> requests.PreparedRequest:
    request = requests.PreparedRequest()
    request.prepare_method(method)
    # prepare_url would quote the URL again: the signature of a signed Location would no longer match
    # (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html).
    request.url = url
    usual = {"User-Agent": f"flakeship/{__version__}", "Accept-Encoding": "identity"}
    request.prepare_headers({**usual, **headers})
    request.prepare_body(body, None)
    return request
