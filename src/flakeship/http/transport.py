"""One exchange with any server, redirects and pauses included: the transport knows nothing of registries or tokens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar

from flakeship.events import Detail, Emit
from flakeship.http.addresses import Addresses, Reach, literal, reach_of
from flakeship.http.body import RequestBody, SizedReader
from flakeship.http.clock import Clock
from flakeship.http.errors import UnsafeUrlError, WireError
from flakeship.http.origin import Origin, is_loopback, one_spelling, realm_url, resolved
from flakeship.http.proxies import proxy_for
from flakeship.http.retry import POLICIES, USUAL_POLICY, RetryPolicy, retrying
from flakeship.http.retry_after import retry_after
from flakeship.http.throttle import Pauses
from flakeship.http.timeouts import CONNECT_TIMEOUT, STALL_TIMEOUT

if TYPE_CHECKING:  # requests is imported for the first exchange: an image may go no further than this machine
    from flakeship.http.adapter import Adapter
    from flakeship.http.response import Response

T = TypeVar("T")
_HOPS: Final = 10
_HOPS_OF_A_LAYER: Final = 2
"""Each redirect of an upload sends all of it again."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD: Final = frozenset({307, 308})
_PAUSING: Final = frozenset({429, 503})


class Transport:
    """A context manager that speaks HTTP for any number of threads.

    `ca` is a PEM file. `plain_http` are hosts as references name them, `name[:port]`. `home` is the user's home folder:
    without one no host has certificates of its own (`trust.host_folders`).
    """

    def __init__(
        self,
        *,
        ca: str | None,
        plain_http: Collection[str],
        environ: Mapping[str, str],
        emit: Emit,
        clock: Clock,
        home: str = "",
    ) -> None:
        self.emit = emit
        self._ca = ca
        self._home = home
        self._plain_http = frozenset(plain_http)
        self._plain_hosts = frozenset(Origin.of(f"http://{host}").host for host in plain_http)
        self._addresses = Addresses()
        self._environ = environ
        self._clock = clock
        self._pauses = Pauses(clock)
        self._lock = threading.Lock()
        self._opened: Adapter | None = None
        self._hurried = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opened:
            self._opened.close()

    def hurry(self) -> None:
        """Keep no pause any more that a server asks for: the run ends, and there is no later to clean up."""
        self._hurried = True

    def cut(self) -> None:
        """Break the connections on which a body is being sent: whoever sends it gets a WireError at once."""
        with self._lock:
            opened = self._opened
        if opened:
            opened.cut()

    def connect_ahead(self, url: str, count: int) -> None:
        """Open connections to the origin of `url` until `count` are idle, and return without waiting for them.

        Nothing is told of one that fails: the request that needs it will tell. Through a proxy none is opened.
        """
        if not self._proxies(url, Origin.of(url)):
            self._adapter().connect_ahead(url, count)

    def schemes(self, host: str) -> tuple[str, ...]:
        """Return the schemes to try with `host` (`name[:port]`), the first one first.

        Plain http is used only where `plain_http` names the host, or as the second choice if it is this machine.
        """
        if host in self._plain_http:
            return ("http",)
        return ("https", "http") if is_loopback(Origin.of(f"https://{host}").host) else ("https",)

    def now(self) -> float:
        """Return the seconds of a monotonic clock, to compute when something expires."""
        return self._clock.now()

    def retrying(
        self, host: str, action: Callable[[], T], *, what: str, policy: RetryPolicy | None = None
    ) -> T:
        """Do `action` again after a transient WireError, as long as `policy`, or that of `host` (`name[:port]`), allows.

        `what` names the action in the log. The last WireError is raised.
        """
        obeyed = policy or self._policy(host)
        return retrying(action, what=what, policy=obeyed, clock=self._clock, emit=self.emit)

    def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: RequestBody | bytes | None = None,
        timeout: float = STALL_TIMEOUT,
        connect_timeout: float = CONNECT_TIMEOUT,
        secret_body: bool = False,
        heeds_pauses: bool = True,
    ) -> Response:
        """Send one request, once, and follow its redirects. `timeout` is the longest wait for the answer, in seconds.

        `connect_timeout` is the longest wait for each address of the host. Without `heeds_pauses` no pause that a server
        asked for is kept, and none begins: for a caller that has no time for one.

        WireError is raised if no answer comes, and UnsafeUrlError for a redirect to where it may not go: a `secret_body`
        never leaves the origin of `url`. Authorization is sent to the origin of `url` only (distribution-spec,
        "API": https://github.com/opencontainers/distribution-spec/blob/main/spec.md#api). A body is sent again for 307
        and 308, twice at the most if it is a RequestBody; any other redirect of a request with a body is an error, because it
        would become a GET (https://www.rfc-editor.org/rfc/rfc9110#section-15.4).
        """
        url = one_spelling(url)
        visited = {url}
        origin = Origin.of(url)
        hops = _HOPS_OF_A_LAYER if isinstance(body, RequestBody) else _HOPS
        for _ in range(hops + 1):
            response = self._once(
                method,
                url,
                headers,
                body,
                timeout,
                connect_timeout=connect_timeout,
                heeds_pauses=heeds_pauses,
            )
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                return response
            with response:
                if response.status not in _SAME_METHOD and method not in ("GET", "HEAD"):
                    raise WireError(f"{origin} redirects a {method} by {response.status}", transient=False)
                url = self.named(response.url, location)
            if url in visited:
                break
            visited.add(url)
            if Origin.of(url) != origin:
                if secret_body:  # docs/decisions.md#a-token-in-a-body-stays-home
                    raise UnsafeUrlError(
                        f"{origin} wants the token that it was sent to be sent to {Origin.of(url)} as well",
                        hint="ask the operator of the token server to correct it: it must answer by itself",
                    )
                headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
        raise WireError(f"{origin} redirects in a circle, or more than {hops} times", transient=False)

    def named(self, current: str, location: str) -> str:
        """Return the URL that the `Location` of an answer from `current` leads to, if it may be asked.

        UnsafeUrlError is raised otherwise: see `_check`, and `resolved`.
        """
        url = resolved(current, location)
        self._check(current, url)
        return url

    def realm(self, registry: Origin, realm: str) -> str:
        """Return the URL of the token server that `registry` names, if credentials may be sent there.

        UnsafeUrlError is raised otherwise: see `_check`, and `realm_url`.
        """
        url = realm_url(registry, realm)
        self._check(f"{registry}/", url, names="names the token server")
        return url

    def _check(self, current: str, url: str, *, names: str = "points to") -> None:
        """Raise UnsafeUrlError for plain http that nobody asked for, and for what is less public than who names it.

        A registry must not be able to make us send requests into a network that it can't reach itself
        (https://github.com/advisories/GHSA-jxpm-75mh-9fp7). One within it may name other hosts there: storage and token
        servers of a company have private addresses too (https://github.com/google/go-containerregistry/issues/2258): see
        docs/decisions.md#a-server-names-nothing-less-public.
        """
        namer, target = Origin.of(current), Origin.of(url)
        if target.scheme == "http" and not self._may_be_plain(namer, target):
            raise UnsafeUrlError(
                f"{namer} {names} {target}, which would be plain http",
                hint="configure the registry with its public address, with https (behind a proxy: X-Forwarded-Proto, "
                f"relativeurls); or set `plain-http: {target.host}` if that host is meant to be reached without TLS",
            )
        if target.host == namer.host:
            return
        reach = self._reach(target, url, Addresses.as_target)
        if reach is Reach.PUBLIC:
            return
        own = self._reach(namer, current, Addresses.as_namer)
        if reach is Reach.NEVER or reach < (own or Reach.INSIDE):
            raise UnsafeUrlError(
                f"{namer} {names} {target}, an address inside this network",
                hint="use the registry's name inside the network, or ask its operator for public addresses: only a registry "
                "that has a private address itself may point to others, and link-local addresses are never used",
            )

    def _may_be_plain(self, namer: Origin, target: Origin) -> bool:
        same = namer.scheme == "http" and namer.host == target.host
        return same or target.host in self._plain_hosts or (target.is_loopback and namer.is_loopback)

    def _reach(self, origin: Origin, url: str, look: Callable[[Addresses, str], Reach]) -> Reach:
        """A proxy looks up the names of what is asked through it: then a name counts as public, unless it is local."""
        if address := literal(origin.host):
            return reach_of(address)
        if self._proxies(url, origin):
            return Reach.PUBLIC
        try:
            return look(self._addresses, origin.host)
        except OSError as error:
            from flakeship.http.failures import wire_error

            raise wire_error(error, origin) from error

    def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: RequestBody | bytes | None,
        timeout: float,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        heeds_pauses: bool = True,
    ) -> Response:
        origin = Origin.of(url)
        if heeds_pauses and not self._hurried:
            self._pauses.wait(origin)
        content = SizedReader(body) if isinstance(body, RequestBody) else body
        try:
            response = self._adapter().exchange(
                method,
                url,
                headers=headers,
                content=content,
                timeout=timeout,
                connect_timeout=connect_timeout,
                proxies=self._proxies(url, origin),
            )
        finally:
            if isinstance(content, SizedReader):
                content.close()
        # Other threads wait too, as the server asks all of this client to hold back.
        wait = retry_after(response.headers) if heeds_pauses and response.status in _PAUSING else None
        if wait is not None and wait <= self._policy(origin.authority).longest_asked_wait:
            self._pauses.pause(origin, wait)
        return response

    def _policy(self, host: str) -> RetryPolicy:
        return POLICIES.get(host, USUAL_POLICY)

    def _adapter(self) -> Adapter:
        with self._lock:
            if self._opened is None:
                self._tell_what_is_not_there()
                self._opened = _open_adapter(
                    self._ca, self._environ, self._home, self._addresses, self._clock.now
                )
            return self._opened

    def _tell_what_is_not_there(self) -> None:
        from flakeship.http.trust import passed_over

        for text in passed_over(self._environ):
            self.emit(Detail(f"{text} is not there, so it does not replace the system's certificates"))

    def _proxies(self, url: str, origin: Origin) -> dict[str, str]:
        proxy = proxy_for(url, self._environ)
        return {origin.scheme: proxy} if proxy else {}


def _open_adapter(
    ca: str | None, environ: Mapping[str, str], home: str, addresses: Addresses, now: Callable[[], float]
) -> Adapter:
    """Read the certificate authorities in a thread, which is the work of OpenSSL, while Python imports requests."""
    from flakeship.http.trust import Trust, host_folders

    folders = host_folders(environ, home) if home else ()

    with ThreadPoolExecutor(1, "flakeship-trust") as pool:
        trusted = pool.submit(Trust, ca, environ, folders)
        from flakeship.http.adapter import Adapter

        return Adapter(trusted.result(), addresses, now)
