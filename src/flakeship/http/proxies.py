"""The choice of the HTTP proxy for a URL, from the variables of a given environment."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from flakeship.errors import UsageError
from flakeship.http.errors import UnsafeUrlError
from flakeship.http.origin import Origin, is_loopback

_SCHEMES: Final = ("http", "https")


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy for `url`, or None for a direct connection, as always to loopback.

    HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY are read in upper and lower case; the lower-case one wins, as in curl
    (https://everything.curl.dev/usingcurl/proxies/env.html). UsageError is raised for the URL of a proxy that is
    malformed, or of another kind.
    """
    known = {
        variable.lower(): variable for variable in sorted(environ) if variable.lower().endswith("_proxy")
    }
    origin = Origin.of(url)
    names = (known.get(f"{origin.scheme}_proxy"), known.get("all_proxy"))
    name = next((name for name in names if name and environ[name].strip()), None)
    if name is None or is_loopback(origin.host):
        return None
    if bypasses(origin, environ[known["no_proxy"]] if "no_proxy" in known else ""):
        return None
    return _checked(environ[name].strip(), name)


def bypasses(origin: Origin, no_proxy: str) -> bool:
    """Tell whether `no_proxy` keeps requests to an origin from the proxy: https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config.

    Its parts are separated by commas: `*`; an IP address or a network such as 10.0.0.0/8; a domain, which is for its
    subdomains too, `.example.com` and `*.example.com` for these alone. All but networks may end with `:PORT`.
    """
    # docs/decisions.md#no_proxy-has-gos-rules
    return any(_part_fits(part.strip().lower(), origin) for part in no_proxy.split(","))


def _part_fits(part: str, origin: Origin) -> bool:
    if part in ("", "*"):
        return bool(part)
    address = _address(origin.host)
    if network := _network(part):
        return address is not None and address.version == network.version and address in network
    name, port = _split_port(part)
    if port and port != str(origin.port):
        return False
    if meant := _address(name.removeprefix("[").removesuffix("]")):
        return meant == address
    suffix = _ascii(name.removeprefix("*") if name.startswith("*.") else name)
    if suffix.startswith("."):
        return origin.host.endswith(suffix)
    return bool(suffix) and (origin.host == suffix or origin.host.endswith(f".{suffix}"))


def _split_port(part: str) -> tuple[str, str]:
    """Return host and port; an IPv6 address without brackets has no port."""
    host, colon, port = part.rpartition(":")
    if not colon or part.endswith("]") or (":" in host and not (host.startswith("[") and host.endswith("]"))):
        return part, ""
    return host, port


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address; one of IPv4 within IPv6 is one of IPv4, as in the host of an Origin."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    if not text.rpartition("/")[2].isdecimal() or "/" not in text:
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _ascii(name: str) -> str:
    """Return a name as it stands in a URL, where it is not ASCII yet: https://www.rfc-editor.org/rfc/rfc5891."""
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return name


def _checked(text: str, variable: str) -> str:
    """Return the URL of a proxy in the one spelling. The messages show no part of it that may hold a password."""
    written = text if "://" in text else f"http://{text}"
    scheme, _, rest = written.partition("://")
    if scheme.lower() not in _SCHEMES:
        raise UsageError(
            f"{variable} names a proxy of the kind {scheme[:20]!r}, which flakeship does not speak",
            hint="name an HTTP proxy, http://HOST:PORT, or name the registry in NO_PROXY if it can be reached without",
        )
    user, at, host = rest.partition("/")[0].rpartition("@")
    try:
        if urlsplit(written).netloc != user + at + host:
            raise ValueError(text)
        origin = Origin.of(f"{scheme.lower()}://{host}")
    except (UnsafeUrlError, ValueError):
        raise UsageError(
            f"{variable} does not hold the URL of a proxy: its host or port is malformed",
            hint="write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with the characters / ? # @ : of a password "
            "percent-encoded (https://www.rfc-editor.org/rfc/rfc3986#section-2.1)",
        ) from None  # The message of the cause may quote a password.
    return f"{origin.scheme}://{user}{at}{origin.authority}"
