"""Checks of the URLs that a server sends (`Location`, `realm`), which an attacker may have written."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from flakeship.http.errors import UnsafeUrlError

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: credentials are sent to one origin only (https://www.rfc-editor.org/rfc/rfc6454)."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """Return the origin of a URL. UnsafeUrlError is raised if it is not an http(s) URL with a host."""
        parts = _split(url)
        return cls(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme])

    @property
    def is_loopback(self) -> bool:
        """Tell whether the host is this machine, without a question to DNS."""
        return is_loopback(self.host)

    @property
    def authority(self) -> str:
        """Return `name[:port]`, without the port that is usual for the scheme (RFC 3986, section 3.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def is_loopback(host: str) -> bool:
    """Tell whether a name or IP address (without brackets and port) is this machine, without a question to DNS."""
    address = _literal(host)
    return address.is_loopback if address else host == "localhost" or host.endswith(".localhost")


def next_url(current: str, location: str) -> str:
    """Resolve a `Location` against the URL that answered with it, and keep its query unchanged.

    UnsafeUrlError is raised for plain http on another host, for a private address of another host, for credentials in
    the URL, and for anything that is not an http(s) URL.
    """
    if not location.strip() or any(ord(character) <= 0x20 for character in location):
        raise UnsafeUrlError(f"{Origin.of(current)} answered with an empty or malformed Location")
    origin = Origin.of(current)
    try:
        url = urljoin(current, location)
    except ValueError as error:
        raise UnsafeUrlError(f"{origin} answered with a malformed Location") from error
    parts, target = _split(url), Origin.of(url)
    if parts.username is not None:
        raise UnsafeUrlError(f"{origin} points to {target} with credentials in the URL")
    if (origin.scheme, target.scheme) == ("https", "http"):
        if target.host != origin.host:
            raise UnsafeUrlError(
                f"{origin} points to {target}, which would be plain http",
                hint="Behind a proxy, the registry must be told its public address (X-Forwarded-Proto, relativeurls).",
            )
        # A registry behind a proxy that ends TLS believes that it is reached by http. The same host is asked by https
        # instead: https://github.com/distribution/distribution/issues/996
        netloc = urlsplit(current).netloc
        return parts._replace(scheme="https", netloc=netloc).geturl()
    _refuse_inside(origin, target)
    return url


def check_realm(registry: Origin, realm: str) -> str:
    """Return the realm of a challenge (the URL of a token server) if credentials may be sent there.

    It must be https, or http where the registry itself is asked by http. UnsafeUrlError is raised otherwise.
    """
    target = Origin.of(realm)
    if target.scheme == "http" and registry.scheme == "https":
        raise UnsafeUrlError(
            f"{registry} wants the credentials sent to {target} in plain http",
            hint="The registry's token realm must be an https URL; its operator has to mend that.",
        )
    if urlsplit(realm).username is not None:
        raise UnsafeUrlError(f"{registry} names a token server with credentials in its URL")
    _refuse_inside(registry, target)
    return realm


def _refuse_inside(origin: Origin, target: Origin) -> None:
    """Refuse an address that only this machine can reach, if another machine sent it.

    A registry must not be able to make us send requests into a private network:
    https://github.com/advisories/GHSA-jxpm-75mh-9fp7.
    """
    if target.host == origin.host or (target.is_loopback and origin.is_loopback):
        return
    address = _literal(target.host)
    if is_loopback(target.host) or (address and not address.is_global):
        raise UnsafeUrlError(
            f"{origin} points to {target}, an address inside this network",
            hint="Registries may hand out public addresses or their own only; ask its operator.",
        )


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Parse an IP address in any spelling that the resolver accepts (`127.1`, `0x7f000001`); None for a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except (OSError, UnicodeEncodeError):
            return None
    return getattr(address, "ipv4_mapped", None) or address


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _PORTS and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
        parts = SplitResult("", "", "", "", "")
    if not usable:
        raise UnsafeUrlError("a server points to something that is no http(s) URL")
    return parts
