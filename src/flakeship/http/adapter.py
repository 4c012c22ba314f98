"""One HTTP exchange through the adapter of requests: large blocks, limits of its own, our TLS context.

The adapter is used without a Session of requests. Everything that a Session adds (.netrc, cookies, redirects, the
proxies of os.environ) can carry credentials to a place that they were not meant for (CVE-2024-47081, CVE-2018-18074).
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from flakeship import __version__
from flakeship.http.addresses import Addresses
from flakeship.http.body import SizedReader
from flakeship.http.failures import wire_error
from flakeship.http.origin import Origin
from flakeship.http.response import Response
from flakeship.http.resumption import ResumingContext
from flakeship.http.timeouts import CONNECT_TIMEOUT
from flakeship.http.trust import Trust
from flakeship.http.wire import Speaking

BLOCK_SIZE: Final = 1024 * 1024
"""Bytes of a body that are read and given to the kernel at once. The 8 KiB of http.client halve the speed."""


_POOL: Final = 64
"""Connections to one origin that are kept."""

_WITH_BODY: Final = frozenset({"PATCH", "PUT"})


class _DialsKnown:
    """A mixin that connects to the addresses that were checked, and looks up no name by itself."""

    addresses: Addresses

    def _new_conn(self: Any) -> socket.socket:
        host = self._dns_host
        failure: urllib3.exceptions.HTTPError | None = None
        for address in self.addresses.of(host):
            self._dns_host = (
                address  # urllib3 dials this; the name stays what TLS and the header Host speak of
            )
            try:
                connected: socket.socket = super()._new_conn()  # type: ignore[misc]
            except (
                urllib3.exceptions.NewConnectionError,
                urllib3.exceptions.ConnectTimeoutError,
            ) as error:
                failure = error
            else:
                return connected
            finally:
                self._dns_host = host
        self.addresses.forget(host)
        assert failure is not None, "a host has at least one address"
        raise failure


class _Sending:
    """The connections whose last request has a body."""

    def __init__(self) -> None:
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()
        self._lock = threading.Lock()

    def note(self, connection: Any, method: str) -> None:
        with self._lock:
            change = self._connections.add if method in _WITH_BODY else self._connections.discard
            change(connection)

    def cut(self) -> None:
        """Shut their sockets down, which ends a `send` or `recv` of another thread; closing them would not."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            sock = connection.sock
            # The method of the plain socket: that of a TLS socket first turns it into a plain one, and a thread that
            # sends would do so in clear. A TLS connection through a proxy that speaks TLS has its socket one deeper.
            with contextlib.suppress(OSError, TypeError):
                socket.socket.shutdown(getattr(sock, "socket", sock), socket.SHUT_RDWR)


class _NotesBodies:
    """A mixin that tells which connection sends a body."""

    sending: _Sending

    def putrequest(self: Any, method: str, *args: Any, **kwargs: Any) -> None:
        self.sending.note(self, method)
        super().putrequest(method, *args, **kwargs)  # type: ignore[misc]


class _HttpConnection(_DialsKnown, _NotesBodies, Speaking, HTTPConnection):  # type: ignore[misc]
    pass


class _HttpsConnection(_DialsKnown, _NotesBodies, Speaking, HTTPSConnection):  # type: ignore[misc]
    """Keeps the TLS session, and knows a connection that is idle from one that has ended."""

    def getresponse(self) -> Any:
        answer = super().getresponse()
        self._keep_session()
        return answer

    @property
    def is_connected(self) -> bool:
        """True for one that is open and has nothing to read, but for what TLS 1.3 sends behind its handshake: sessions."""
        if super().is_connected:
            return True
        sock = self.sock
        if not isinstance(sock, ssl.SSLSocket):
            return False
        waits = sock.gettimeout()
        try:
            sock.settimeout(0)
            sock.recv(1)
        except ssl.SSLWantReadError:
            self._keep_session()
            sock.settimeout(waits)
            return True
        except OSError:
            pass
        return False

    def _keep_session(self) -> None:
        if isinstance(self.sock, ssl.SSLSocket) and isinstance(self.ssl_context, ResumingContext):
            self.ssl_context.keep(self.sock)


class _ConnectsAhead:
    """A mixin that opens connections before a request needs them."""

    def connect_ahead(self: Any, count: int) -> None:
        """Open connections until `count` are idle, each in a thread of its own. Nothing is waited for."""
        taken = [self._get_conn() for _ in range(count)]
        for connection in taken:
            if connection.is_connected:
                self._put_conn(connection)
            else:
                threading.Thread(target=self._connected, args=(connection,), daemon=True).start()

    def _connected(self: Any, connection: Any) -> None:
        connection.timeout = CONNECT_TIMEOUT
        try:
            connection.connect()
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            connection.close()  # it would keep the socket that a failed handshake has detached, of which nobody can ask anything
        idle = self.pool
        if idle is None:  # the run has ended
            connection.close()
            return
        with idle.mutex:  # below those that have proven themselves, above the places that are free
            idle.queue.insert(idle.queue.count(None), connection)
            idle.not_empty.notify()


def _pools(
    known: Addresses, noted: _Sending, clock: Callable[[], float]
) -> dict[str, type[HTTPConnectionPool]]:
    """Return the classes of pools by scheme, whose connections dial `known` addresses and wait by `clock`."""

    class Http(_HttpConnection):
        addresses = known
        sending = noted
        now = staticmethod(clock)

    class Https(_HttpsConnection):
        addresses = known
        sending = noted
        now = staticmethod(clock)

    class HttpPool(_ConnectsAhead, HTTPConnectionPool):
        ConnectionCls = Http

    class HttpsPool(_ConnectsAhead, HTTPSConnectionPool):
        ConnectionCls = Https

    return {"http": HttpPool, "https": HttpsPool}


class Adapter(HTTPAdapter):
    """An adapter of requests that verifies servers with `trust` only, and connects to `addresses` only.

    It may be used by many threads at once. `now` returns the seconds of a monotonic clock, by which it waits.
    """

    def __init__(self, trust: Trust, addresses: Addresses, now: Callable[[], float]) -> None:
        self._trust = trust
        self._sending = _Sending()
        self._pools = _pools(addresses, self._sending, now)
        super().__init__(pool_connections=32, pool_maxsize=_POOL, max_retries=0)

    def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: SizedReader | bytes | None,
        timeout: float,
        connect_timeout: float,
        proxies: Mapping[str, str],
    ) -> Response:
        """Send one request and return the answer, with its body still to be read.

        The head comes within `timeout` seconds after the peer has taken the request; each address of the host has
        `connect_timeout` seconds.
        `proxies` maps a scheme to the URL of an HTTP proxy. A redirect is returned and not followed. WireError is
        raised when no answer comes, and ResourceError where this machine can open no connection.
        """
        try:
            answer = self.send(
                _prepared(method, url, headers, content),
                stream=True,
                timeout=(connect_timeout, timeout),
                proxies=proxies,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise wire_error(error, Origin.of(url)) from error
        return Response(method, url, answer)

    def connect_ahead(self, url: str, count: int) -> None:
        """Open connections to the origin of `url` until `count` are idle; nothing is waited for."""
        pool: Any = self.get_connection_with_tls_context(_prepared("GET", url, {}, None), verify=True)
        pool.connect_ahead(min(count, _POOL))

    def cut(self) -> None:
        """Break the connections on which a body is being sent."""
        self._sending.cut()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of direct connections use our connections and blocks."""
        super().init_poolmanager(*args, blocksize=BLOCK_SIZE, **kwargs)
        self.poolmanager: PoolManager
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> ProxyManager:
        """Make the pools of connections through a proxy use our connections, blocks and TLS context."""
        context = self._trust.usual if proxy.lower().startswith("https:") else None
        manager: ProxyManager = super().proxy_manager_for(
            proxy, blocksize=BLOCK_SIZE, proxy_ssl_context=context, **kwargs
        )
        manager.pool_classes_by_scheme = self._pools
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """Return the header that a proxy's user and password become, in UTF-8: requests would end at a euro sign."""
        user, at, _ = proxy.partition("://")[2].rpartition("@")
        if not at:
            return {}
        pair = ":".join(map(unquote, user.partition(":")[::2]))
        return {
            "Proxy-Authorization": f"Basic {base64.b64encode(pair.encode(errors='surrogateescape')).decode()}"
        }

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """Give the pool of a host its TLS context in place of the one of requests, which trusts certifi only."""
        host, _ = super().build_connection_pool_key_attributes(request, verify=True)
        trusted = {"ssl_context": self._trust.of(Origin.of(request.url))} if host["scheme"] == "https" else {}
        return host, trusted

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
