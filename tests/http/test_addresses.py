"""Which addresses a server may send us to, and that what was checked is what is dialled."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from flakeship.http.addresses import Addresses, Reach, reach_of
from flakeship.http.errors import UnknownHostError, UnsafeUrlError, WireError
from flakeship.http.origin import Origin
from tests.destinations.pushing import Pusher

NEVER = [
    "169.254.169.254",
    "169.254.1.1",
    "fe80::1",
    "fe80::1%lo",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
]
NEVER += ["168.63.129.16", "0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "ff02::1", "::ffff:169.254.169.254"]
NEVER += ["64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::169.254.169.254"]
MACHINE = [
    "127.0.0.1",
    "127.255.255.254",
    "::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "::ffff:0:127.0.0.1",
]
INSIDE = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "fd12::1",
    "fec0::1",
    "64:ff9b:1::1",
]
INSIDE += ["::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "240.0.0.1", "255.255.255.255"]
INSIDE += [
    "192.0.0.9",
    "192.0.0.10",
    "2001::1",
    "2001:20::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "::ffff:0:10.0.0.1",
]
PUBLIC = ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1", "::ffff:8.8.8.8"]


@pytest.mark.parametrize(
    ("address", "reach"),
    [
        (address, reach)
        for reach, addresses in zip(Reach, (NEVER, MACHINE, INSIDE, PUBLIC), strict=True)
        for address in addresses
    ],
)
def test_who_can_reach_an_address(address: str, reach: Reach) -> None:
    assert reach_of(address) is reach


class Dns:
    """A DNS whose names have one list of addresses after the other; the last one stays."""

    def __init__(self, names: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._names = {name: list(answers) for name, answers in names.items()}
        self.asked: list[str] = []

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        answers = self._names.get(host)
        if not answers:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return list(answers.pop(0) if len(answers) > 1 else answers[0])


WORLD = {
    "registry.example": [["8.8.8.8"]],
    "storage.example": [["8.8.4.4", "2606:4700::1111"]],
    "mixed.example": [["8.8.4.4", "10.0.0.9"]],
    "registry.corp": [["10.0.0.1"]],
    "auth.corp": [["10.0.0.2"]],
    "loop.example": [["127.0.0.1"]],
    "meta.example": [["169.254.169.254"]],
    "localhost": [["127.0.0.1"]],
    "evil.localhost": [["8.8.8.8"]],
}

ALLOWED = [
    ("https://registry.example", "https://storage.example/"),
    ("https://registry.corp", "https://auth.corp/token"),
    ("https://registry.corp", "https://10.0.0.77:8443/"),
    ("https://10.0.0.1:5000", "https://auth.corp/"),
    ("https://10.0.0.1:5000", "https://10.0.0.1:8443/"),
    ("https://registry.corp", "https://storage.example/"),
    ("https://localhost:5000", "https://10.0.0.1/"),
    ("https://localhost:5000", "http://127.0.0.1:5001/"),
    ("http://127.0.0.1:5000", "http://localhost:5001/token"),
    ("http://plain.corp:5000", "http://plain.corp:5001/token"),
    ("https://10.0.0.1", "http://10.1.1.1:5000/"),
    ("https://169.254.3.4:5000", "https://169.254.3.4:5001/"),
]
REFUSED = [
    ("https://registry.example", "http://storage.example/", "plain http"),
    ("http://127.0.0.1:5000", "http://storage.example/", "plain http"),
    ("http://127.0.0.1:5000", "http://8.8.8.8/", "plain http"),
    ("http://plain.corp:5000", "http://auth.corp/", "plain http"),
    ("https://registry.example", "https://auth.corp/", "inside this network"),
    ("https://registry.example", "https://mixed.example/", "inside this network"),
    ("https://registry.example", "https://10.0.0.1/", "inside this network"),
    ("https://registry.example", "https://localhost/", "inside this network"),
    ("https://registry.example", "https://loop.example/", "inside this network"),
    ("https://mixed.example", "https://10.0.0.1/", "inside this network"),
    ("https://registry.corp", "https://127.0.0.1/", "inside this network"),
    ("https://registry.corp", "https://loop.example/", "inside this network"),
    ("https://registry.corp", "https://169.254.1.1/", "inside this network"),
    ("https://registry.corp", "https://[fe80::1]/", "inside this network"),
    ("https://127.0.0.1", "https://169.254.169.254/", "inside this network"),
    ("https://169.254.3.4:5000", "https://127.0.0.1/", "inside this network"),
    ("https://registry.corp", "https://meta.example/", "where no registry can be"),
    ("https://registry.corp", "https://evil.localhost/", "where no registry can be"),
]


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Dns:
    answers = Dns(WORLD)
    monkeypatch.setattr("flakeship.http.addresses._lookup", answers)
    return answers


PLAIN = ("plain.corp:5000", "10.1.1.1:5000")


@pytest.mark.parametrize(("namer", "url"), ALLOWED)
def test_a_server_may_name_what_is_at_least_as_public(namer: str, url: str, dns: Dns, pusher: Pusher) -> None:
    transport = pusher.transport(plain_http=PLAIN)
    assert transport.realm(Origin.of(namer), url) == url
    assert transport.named(f"{namer}/v2/", url) == url


@pytest.mark.parametrize(("namer", "url", "why"), REFUSED)
def test_a_server_may_name_nothing_else(namer: str, url: str, why: str, dns: Dns, pusher: Pusher) -> None:
    transport = pusher.transport(plain_http=PLAIN)
    with pytest.raises(UnsafeUrlError, match=why) as raised:
        transport.realm(Origin.of(namer), url)
    assert raised.value.exit_code == 6
    assert not raised.value.transient
    assert "names the token server" in raised.value.message or why == "where no registry can be"
    with pytest.raises(UnsafeUrlError, match=why):
        transport.named(f"{namer}/v2/", url)


def test_a_name_is_looked_up_once() -> None:
    dns = Dns({"a.example": [["8.8.8.8"], ["10.0.0.1"]]})
    addresses = Addresses(dns)
    assert addresses.as_target("a.example") is Reach.PUBLIC
    assert addresses.of("a.example") == ("8.8.8.8",)
    assert dns.asked == ["a.example"]


def test_a_name_that_moves_into_the_network_is_not_followed() -> None:
    """DNS rebinding, also of the registry's own name: after a failure it is looked up again."""
    addresses = Addresses(
        Dns({"a.example": [["8.8.8.8"], ["10.0.0.1", "127.0.0.1"], ["10.0.0.1", "8.8.4.4"]]})
    )
    addresses.of("a.example")
    addresses.forget("a.example")
    with pytest.raises(UnsafeUrlError, match=r"a\.example is at 10\.0\.0\.1"):
        addresses.of("a.example")
    assert addresses.of("a.example") == ("8.8.4.4",)


def test_no_more_than_three_addresses_are_named() -> None:
    many = [f"169.254.0.{number}" for number in range(1, 6)]
    with pytest.raises(UnsafeUrlError, match=r"is at 169\.254\.0\.1, 169\.254\.0\.2, 169\.254\.0\.3, where"):
        Addresses(Dns({"a.example": [many]})).of("a.example")


def test_a_name_inside_may_move_within() -> None:
    addresses = Addresses(Dns({"a.corp": [["10.0.0.1"], ["10.0.0.2"]]}))
    addresses.of("a.corp")
    addresses.forget("a.corp")
    assert addresses.of("a.corp") == ("10.0.0.2",)


def test_a_proxy_looks_up_by_itself(dns: Dns, pusher: Pusher) -> None:
    transport = pusher.transport(environ={"HTTPS_PROXY": "http://proxy.corp:3128"})
    assert transport.named("https://registry.example/", "https://auth.corp/") == "https://auth.corp/"
    assert not dns.asked
    for target in ("https://10.0.0.1/", "https://169.254.169.254/", "https://127.0.0.1/"):
        with pytest.raises(UnsafeUrlError):
            transport.named("https://registry.example/", target)


def test_a_host_that_is_nowhere_is_unknown(dns: Dns, pusher: Pusher) -> None:
    with pytest.raises(UnknownHostError, match=r"there is no host gone\.example"):
        pusher.transport().named("https://registry.example/", "https://gone.example/")


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "169.254.1.1", "fe80::1", "0.0.0.0"],
)
def test_a_name_at_a_link_local_or_metadata_address_is_refused_in_any_spelling(address: str) -> None:
    with pytest.raises(UnsafeUrlError, match="where no registry can be"):
        Addresses(Dns({"a.example": [[address]]})).of("a.example")


def test_a_host_of_which_no_address_answers_is_looked_up_again(
    pusher: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have moved."""
    dns = Dns({"it.localhost": [["127.0.0.1"]]})
    transport = pusher.transport()
    monkeypatch.setattr(transport, "_addresses", Addresses(dns))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://it.localhost:{taken.getsockname()[1]}/"
        for times in (1, 2):
            with pytest.raises(WireError, match="refused the connection"):
                transport.exchange("GET", url, headers={})
            assert dns.asked == ["it.localhost"] * times


def test_a_name_is_looked_up_from_any_thread() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(Addresses().of, "localhost").result() == Addresses().of("localhost")
