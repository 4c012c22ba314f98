"""Which proxy is used for which URL: the variables, NO_PROXY as Go reads it, and what is no proxy that can be used."""

from __future__ import annotations

import base64
import random
import time

import pytest

from flakeship.errors import UsageError
from flakeship.http.adapter import Adapter
from flakeship.http.addresses import Addresses
from flakeship.http.origin import Origin
from flakeship.http.proxies import bypasses, proxy_for
from flakeship.http.trust import Trust

PROXY = "http://proxy.test:3128"


@pytest.mark.parametrize(
    ("no_proxy", "direct", "through_the_proxy"),
    [
        ("corp.test", ("corp.test", "reg.corp.test", "a.b.corp.test"), ("xcorp.test", "corp.test.evil")),
        (".corp.test", ("reg.corp.test", "a.b.corp.test"), ("corp.test", "xcorp.test")),
        ("*.corp.test", ("reg.corp.test", "a.b.corp.test"), ("corp.test", "xcorp.test")),
        ("*corp.test", (), ("corp.test", "reg.corp.test", "xcorp.test")),
        ("reg.*.test", (), ("reg.corp.test",)),
        ("CORP.Test", ("corp.test", "reg.corp.test"), ()),
        ("corp.test:5000", ("corp.test:5000", "reg.corp.test:5000"), ("corp.test", "corp.test:5001")),
        ("corp.test:443", ("corp.test", "corp.test:443"), ("corp.test:5000", "http://corp.test")),
        ("corp.test:80", ("http://corp.test",), ("corp.test",)),
        (".corp.test:5000", ("reg.corp.test:5000",), ("corp.test:5000", "reg.corp.test")),
        ("*.corp.test:5000", ("reg.corp.test:5000",), ("corp.test:5000", "reg.corp.test")),
        ("10.0.0.0/8", ("10.77.0.1", "10.255.0.1:5000"), ("11.0.0.1", "reg.corp.test")),
        ("10.77.0.9/16", ("10.77.0.1",), ("10.78.0.1",)),
        ("10.0.0.0/255.0.0.0", (), ("10.77.0.1",)),
        ("10.77.0.1", ("10.77.0.1", "10.77.0.1:5000"), ("10.77.0.10", "1.10.77.0")),
        ("10.77.0.1:5000", ("10.77.0.1:5000",), ("10.77.0.1", "10.77.0.1:5001")),
        ("77.0.1", ("10.77.0.1",), ("10.77.0.2",)),
        ("fd00::/8", ("[fd00::9]:5000", "[fdff::1]"), ("[fe00::1]", "10.0.0.1")),
        ("fd00::9", ("[fd00::9]:5000", "[fd00:0::9]"), ("[fd00::8]",)),
        ("[fd00::9]", ("[fd00::9]:5000",), ("[fd00::8]:5000",)),
        ("[fd00::9]:5000", ("[fd00::9]:5000",), ("[fd00::9]",)),
        ("::ffff:10.77.0.1", ("10.77.0.1",), ("10.77.0.2",)),
        ("0.0.0.0/0", ("10.77.0.1", "8.8.8.8"), ("reg.corp.test", "[fd00::9]")),
        ("*", ("anything.test", "10.77.0.1", "[fd00::9]:5000"), ()),
        ("other.test, *", ("anything.test",), ()),
        ("a.test , corp.test ,,10.0.0.0/8", ("corp.test", "10.1.1.1", "a.test"), ("b.test",)),
        ("", (), ("corp.test",)),
        (",", (), ("corp.test",)),
        (":443", (), ("corp.test",)),
        (".", (), ("corp.test",)),
        ("a.test corp.test", (), ("corp.test",)),
        ("https://corp.test", (), ("corp.test",)),
        ("corp.test/", (), ("corp.test",)),
        ("bücher.test", ("xn--bcher-kva.test", "reg.xn--bcher-kva.test"), ("bcher.test",)),
    ],
)
def test_no_proxy_as_go_reads_it(
    no_proxy: str, direct: tuple[str, ...], through_the_proxy: tuple[str, ...]
) -> None:
    for hosts, proxy in ((direct, None), (through_the_proxy, PROXY)):
        for host in hosts:
            url = f"{host if '://' in host else f'https://{host}'}/v2/"
            assert proxy_for(url, {"ALL_PROXY": PROXY, "NO_PROXY": no_proxy}) == proxy, host


def test_any_text_is_a_list_of_what_goes_direct() -> None:
    """Whatever stands in NO_PROXY: it never fails, and a part counts alike wherever it stands among others."""
    chance = random.Random(8)
    pieces = [
        *"*.:[]/-,% é٣",
        "corp",
        "test",
        "10",
        "0.0.0.0",
        "/8",
        "fd00::",
        "443",
        "..",
        "xn--",
        "a" * 70,
    ]
    origins = [Origin.of(f"https://{host}") for host in ("reg.corp.test", "10.1.2.3:5000", "[fd00::9]")]
    for _ in range(300):
        parts = ["".join(chance.choices(pieces, k=chance.randint(1, 5))) for _ in range(3)]
        parts = [part for each in parts for part in each.split(",")]
        for origin in origins:
            alone = any(bypasses(origin, part) for part in parts)
            assert bypasses(origin, ",".join(parts)) == alone, parts
            assert bypasses(origin, ",".join(reversed(parts))) == alone, parts


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("socks5://127.0.0.1:1080", "of the kind 'socks5'"),
        ("SOCKS5h://u:canary@127.0.0.1:1080", "of the kind 'SOCKS5h'"),
        ("ftp://proxy.test", "of the kind 'ftp'"),
        ("://proxy.test", "of the kind ''"),
        ("http://[::1", "malformed"),
        ("http://proxy.test:99999", "malformed"),
        ("http://proxy.test:0", "malformed"),
        ("http://proxy.test:port", "malformed"),
        ("http://:3128", "malformed"),
        ("http://", "malformed"),
        ("http://u:canary/x@proxy.test:3128", "malformed"),
        ("http://u:canary#x@proxy.test:3128", "malformed"),
        ("http://u:canary?@proxy.test:3128", "malformed"),
        ("http://proxy test:3128", "malformed"),
        ("http://u:can\nary@proxy.test:3128", "malformed"),
        ("http://pröxy.test", "malformed"),
    ],
)
def test_what_is_no_proxy_is_named_by_its_variable(variable: str, text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as raised:
        proxy_for("https://reg.test/v2/", {variable: text})
    assert raised.value.message.startswith(variable)
    assert "canary" not in f"{raised.value.message}{raised.value.hint}"


@pytest.mark.parametrize("text", ["socks5://127.0.0.1:1080", "http://[::1"])
def test_a_proxy_that_is_not_used_does_no_harm(text: str) -> None:
    environ = {"ALL_PROXY": text, "HTTP_PROXY": text, "HTTPS_PROXY": PROXY, "NO_PROXY": "corp.test"}
    assert proxy_for("https://reg.test/", environ) == PROXY
    assert proxy_for("http://corp.test/", environ) is None
    assert proxy_for("http://127.0.0.1:5000/", environ) is None


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("proxy.test", "http://proxy.test"),
        ("proxy.test:3128", PROXY),
        (" HTTP://Proxy.test:3128/\n", PROXY),
        ("https://proxy.test", "https://proxy.test"),
        ("u:p@proxy.test:3128", "http://u:p@proxy.test:3128"),
        ("http://u:p@s@proxy.test:3128", "http://u:p@s@proxy.test:3128"),
        ("http://[fd00::1]:3128", "http://[fd00::1]:3128"),
    ],
)
def test_the_ways_to_write_a_proxy(text: str, url: str) -> None:
    assert proxy_for("https://reg.test/", {"HTTPS_PROXY": text}) == url


@pytest.mark.parametrize(
    ("user", "sent"),
    [("u:p", "u:p"), ("u", "u:"), ("u:%E2%82%AC", "u:€"), ("u:€", "u:€"), ("u:p%40s:x", "u:p@s:x")],
)
def test_the_password_of_a_proxy_may_be_any_text(user: str, sent: str) -> None:
    adapter = Adapter(Trust(None, {}), Addresses(), time.monotonic)
    (value,) = adapter.proxy_headers(f"http://{user}@proxy.test:3128").values()
    assert base64.b64decode(value.removeprefix("Basic ")).decode() == sent
    assert adapter.proxy_manager_for(f"http://{user}@proxy.test:3128").proxy_headers == {
        "Proxy-Authorization": value
    }
    adapter.close()
