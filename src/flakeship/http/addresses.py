"""Where hosts are, and which addresses a server may send us to.

A name is looked up once, its addresses are checked, and one of these is dialled. A second lookup could answer with others:
https://en.wikipedia.org/wiki/DNS_rebinding. Behind an HTTP proxy the proxy looks up names, and only addresses that stand
in a URL are seen here.
"""

from __future__ import annotations

import enum
import ipaddress
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, TypeAlias, TypeVar

from flakeship.http.errors import UnsafeUrlError
from flakeship.http.origin import is_local_name, is_loopback

T = TypeVar("T")
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup: TypeAlias = Callable[[str], list[str]]
"""A function that returns the IP addresses of a name, or raises socket.gaierror."""


class Reach(enum.IntEnum):
    """Who can reach an address; a server may name what is at least as public as itself."""

    NEVER = 0
    """Link-local addresses, the metadata servers of clouds, and what is no single machine."""
    MACHINE = 1
    INSIDE = 2
    PUBLIC = 3


_METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",  # nearly all: https://cloud.google.com/compute/docs/metadata/overview
            "fd00:ec2::254",  # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
            "fd00:ec2::23",  # https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
            "fd20:ce::254",  # https://cloud.google.com/compute/docs/metadata/querying-metadata
            "100.100.100.200",  # https://www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata
            "168.63.129.16",  # https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
            "192.0.0.192",  # https://docs.oracle.com/iaas/Content/Compute/Tasks/gettingmetadata.htm
        ),
    )
)
_NOBODY: Final = ipaddress.ip_network("0.0.0.0/8")
"""Of it 0.0.0.0 is this machine to Linux, and the rest is nothing."""

_INSIDE: Final = tuple(
    map(
        ipaddress.ip_network,
        ("64:ff9b:1::/48", "fec0::/10", "192.0.0.0/24", "2001::/23", "3fff::/20", "5f00::/16"),
    )
)
"""What the `is_global` of some version of Python takes for public, and IANA for special.

https://docs.python.org/3/library/ipaddress.html#ipaddress.IPv4Address.is_private (what changed in 3.13 and in updates of
older versions), https://www.rfc-editor.org/rfc/rfc8215, https://www.rfc-editor.org/rfc/rfc3879.
"""

_6TO4: Final = ipaddress.ip_network("2002::/16")
"""Newer versions of Python call all of it private. It is as public as the IPv4 address in it."""

_TRANSLATED: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::ffff:0:0:0/96"))
"""NAT64, and the older form of RFC 2765: https://www.rfc-editor.org/rfc/rfc6052, https://www.rfc-editor.org/rfc/rfc2765."""

_LOW_32: Final = 0xFFFF_FFFF


def reach_of(text: str) -> Reach:
    """Tell who can reach an IP address, with or without a zone; one that holds an IPv4 address is judged by that too."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return min(map(_reach, (address, *_embedded(address))))


def _reach(address: _Address) -> Reach:
    if address in _METADATA or address.is_link_local or address.is_multicast or address.is_unspecified:
        return Reach.NEVER
    if address.version == 4 and address in _NOBODY:
        return Reach.NEVER
    if address.is_loopback:
        return Reach.MACHINE
    private = not address.is_global and address not in _6TO4
    inside = private or any(address in network for network in _INSIDE)
    return Reach.INSIDE if inside else Reach.PUBLIC


def _embedded(address: _Address) -> list[_Address]:
    """Return the IPv4 addresses that an IPv6 address leads to: https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5."""
    if not isinstance(address, ipaddress.IPv6Address) or address.is_loopback or address.is_unspecified:
        return []
    teredo = address.teredo[1] if address.teredo else None
    last = ipaddress.IPv4Address(int(address) & _LOW_32)
    translated = any(address in network for network in _TRANSLATED)
    compatible = last if int(address) <= _LOW_32 or translated else None
    found = (address.ipv4_mapped, address.sixtofour, teredo, compatible)
    return [inner for inner in found if inner is not None]


def literal(host: str) -> str | None:
    """Return a host that is an IP address, None for a name."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


class Addresses:
    """The addresses of all hosts of a run. Its methods may be called by several threads.

    A host that no address of which answers is looked up again, and may then be nowhere that is less public than before.
    """

    def __init__(self, lookup: Lookup | None = None) -> None:
        self._lookup = lookup or _lookup
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, ...]] = {}
        self._least: dict[str, Reach] = {}

    def of(self, host: str) -> tuple[str, ...]:
        """Return the addresses of a host, at least one. UnsafeUrlError if none may be dialled; socket.gaierror."""
        if own := literal(host):
            return (own,)
        if known := self._known.get(host):
            return known
        found = tuple(dict.fromkeys(_in_thread(lambda: self._lookup(host))))
        with self._lock:
            return self._known.setdefault(host, self._checked(host, found))

    def forget(self, host: str) -> None:
        """Look a host up again the next time: none of its addresses accepts a connection."""
        with self._lock:
            self._known.pop(host, None)

    def as_target(self, host: str) -> Reach:
        """Tell how public a host is at the least: a server that names it might mean its least public address."""
        return min(map(reach_of, self.of(host)))

    def as_namer(self, host: str) -> Reach:
        """Tell how public a host is at the most: so much may it name."""
        return max(map(reach_of, self.of(host)))

    def _checked(self, host: str, found: tuple[str, ...]) -> tuple[str, ...]:
        least = self._least.get(host, Reach.NEVER)
        allowed = tuple(
            address
            for address in found
            if reach_of(address) >= least and reach_of(address) is not Reach.NEVER
        )
        if is_local_name(host):  # its plain http is trusted because it never leaves this machine
            allowed = tuple(address for address in allowed if is_loopback(address))
        if not allowed:
            raise UnsafeUrlError(
                f"DNS says that {host} is at {', '.join(found[:3])}, where no registry can be",
                hint="ask whoever runs this network's DNS, and the registry: somebody has changed the addresses of the name",
            )
        self._least.setdefault(host, min(map(reach_of, allowed)))
        return allowed


def _lookup(host: str) -> list[str]:
    # Not AI_ADDRCONFIG, as in urllib3: https://github.com/urllib3/urllib3/blob/main/src/urllib3/util/connection.py
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, 0, socket.SOCK_STREAM)]
    except UnicodeError as error:  # the name of a proxy, which nobody has checked
        raise socket.gaierror(socket.EAI_NONAME, "it can be no host") from error


def _in_thread(action: Callable[[], T]) -> T:
    """Do `action` in another thread if this is the main one.

    Python handles signals in the main thread only, and not while getaddrinfo waits for a name server that is down:
    https://docs.python.org/3/library/signal.html#signals-and-threads.
    """
    if threading.current_thread() is not threading.main_thread():
        return action()
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(action())
        except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done.result()
