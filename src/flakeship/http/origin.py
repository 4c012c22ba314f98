"""Origins and URLs in one spelling: what is compared and checked is, to the letter, what is asked.

A `Location` or a `realm` may have been written by an attacker. Every library reads the odd spellings of a host in its own
way (https://www.blackhat.com/docs/us-17/thursday/us-17-Tsai-A-New-Era-Of-SSRF-Exploiting-URL-Parser-In-Trending-Programming-Languages.pdf),
so there is one parser here: it refuses what no server needs, and what it returns is spelled so that no two may differ.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

from flakeship.http.errors import UnsafeUrlError

_PORTS: Final = {"http": 80, "https": 443}
_PORTS_END: Final = 65536
_LABEL: Final = re.compile(r"[a-z0-9_-]{1,63}")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LONGEST_NAME: Final = 253
_AUTHORITY: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{0,5}))?")


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: credentials are sent to one origin only (https://www.rfc-editor.org/rfc/rfc6454).

    `host` is a name in lower case without a trailing dot, or an IP address in its usual spelling and without brackets.
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """Return the origin of a URL. UnsafeUrlError is raised if it is not an http(s) URL with a host and no user."""
        scheme, authority = _split(url)[:2]
        hit = _AUTHORITY.fullmatch(authority)
        host = _host(hit["host"]) if hit else ""
        if not host:
            raise UnsafeUrlError("a server points to a URL whose host is malformed, or spelled to deceive")
        port = int((hit["port"] if hit else "") or _PORTS[scheme])
        if not 0 < port < _PORTS_END:
            raise UnsafeUrlError(
                f"a server points to the port {port} of {host}, and there is no such port",
                hint="ask the operator of the registry to correct its own address, or that of its token server, in its configuration",
            )
        return cls(scheme, host, port)

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
    if is_local_name(host):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_local_name(host: str) -> bool:
    """Tell whether a name means this machine: https://www.rfc-editor.org/rfc/rfc6761#section-6.3."""
    return host == "localhost" or host.endswith(".localhost")


def one_spelling(url: str) -> str:
    """Return the URL with its origin in the one spelling; path and query stay as they are, for they may be signed.

    The fragment is removed. UnsafeUrlError is raised as by Origin.of.
    """
    return f"{Origin.of(url)}{_split(url)[2]}"


def resolved(current: str, location: str) -> str:
    """Resolve a `Location` against the URL that answered with it, in the one spelling, and keep its query unchanged.

    Plain http on the host that is asked by https is asked by https. UnsafeUrlError is raised for credentials in the URL,
    and for anything that is not an http(s) URL.
    """
    origin = Origin.of(current)
    if not location.strip() or not _is_clean(location):
        raise UnsafeUrlError(f"{origin} answered with an empty or malformed Location")
    try:
        url = urljoin(current, location)
    except ValueError as error:
        raise UnsafeUrlError(f"{origin} answered with a malformed Location") from error
    if "@" in urlsplit(url).netloc:
        raise UnsafeUrlError(f"{origin} points to a URL with credentials in it")
    target, rest = Origin.of(url), _split(url)[2]
    if (origin.scheme, target.scheme) == ("https", "http") and target.host == origin.host:
        # A registry behind a proxy that ends TLS believes that it is reached by http:
        # https://github.com/distribution/distribution/issues/996
        target = origin
    return f"{target}{rest}"


def realm_url(registry: Origin, realm: str) -> str:
    """Return the realm of a challenge, the URL of a token server, in the one spelling.

    UnsafeUrlError is raised for credentials in the URL, and for anything that is not an http(s) URL.
    """
    if not _is_clean(realm):
        raise UnsafeUrlError(f"{registry} names a token server by a malformed URL")
    if "@" in _split(realm)[1]:
        raise UnsafeUrlError(f"{registry} names a token server with credentials in its URL")
    return one_spelling(realm)


def _is_clean(text: str) -> bool:
    """Parsers strip blanks and control characters, or stop at them, each in its own way."""
    return all(0x20 < ord(character) != 0x7F for character in text)


def _split(url: str) -> tuple[str, str, str]:
    """Return scheme, authority and the rest, which begins with a slash or a question mark."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in _PORTS or not parts.netloc:
        raise UnsafeUrlError("a server points to something that is not an http(s) URL")
    return parts.scheme, parts.netloc, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _host(text: str) -> str:
    """Return a host in its one spelling, and an empty string for text that is not a host.

    Whatever the resolver would take for an IPv4 address becomes one (`127.1`, `0x7f000001`, `0177.0.0.1`): see
    https://url.spec.whatwg.org/#concept-ipv4-parser. Names are ASCII, as in a URL they must be
    (https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2): `xn--` is a label like any other, full-width digits are not digits.
    """
    if text.startswith("["):
        return _ipv6(text[1:-1])
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)):
        return ""
    if not _NUMBER.fullmatch(labels[-1]):
        return name
    try:
        return socket.inet_ntoa(socket.inet_aton(name))
    except OSError:
        return ""


def _ipv6(text: str) -> str:
    """Without a zone, which only link-local addresses have; an IPv4 address within IPv6 is an IPv4 address."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return ""
    return str(address.ipv4_mapped or address)
