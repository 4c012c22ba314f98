"""One exchange: what is sent, what is followed, what is refused, and how much memory it takes."""

from __future__ import annotations

import errno
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from flakeship import __version__
from flakeship.errors import UsageError
from flakeship.events import Event
from flakeship.http.body import RequestBody, SizedReader
from flakeship.http.errors import ProxyRefusedError, UnsafeUrlError, WireError
from flakeship.http.failures import wire_error
from flakeship.http.origin import Origin
from flakeship.http.proxies import proxy_for
from flakeship.http.redact import redact_url
from tests.destinations.pushing import Pusher
from tests.images import opener
from tests.testbed.registry import FaultProxy, Registry

pytestmark = pytest.mark.slow


def redirect(proxy: FaultProxy, method: str, path: str, location: str, *, status: int = 307) -> None:
    proxy.fail_next(method, path, status=status, headers={"Location": location})


def test_a_request_says_who_asks_and_wants_no_compression(proxy: FaultProxy, pusher: Pusher) -> None:
    pusher.transport().exchange("GET", f"http://{proxy.host}/v2/", headers={"X": "y"}).close()
    (request,) = proxy.requests
    assert request.headers == {
        "Host": proxy.host,
        "User-Agent": f"flakeship/{__version__}",
        "Accept-Encoding": "identity",
        "X": "y",
    }


def test_a_redirect_keeps_credentials_at_home(
    proxy: FaultProxy, proxy_to: Callable[[str], FaultProxy], pusher: Pusher
) -> None:
    other = proxy_to(proxy.upstream)
    redirect(proxy, "GET", "/v2/a", "/v2/b")
    redirect(proxy, "GET", "/v2/b", f"http://{other.host}/v2/c")
    headers = {"Authorization": "Basic canary", "Accept": "x"}
    response = pusher.transport().exchange("GET", f"http://{proxy.host}/v2/a", headers=headers)
    response.close()
    assert response.url == f"http://{other.host}/v2/c"
    assert [request.headers.get("Authorization") for request in proxy.requests] == ["Basic canary"] * 2
    assert [request.headers.get("Authorization") for request in other.requests] == [None]
    assert other.requests[0].headers["Accept"] == "x"


@pytest.mark.parametrize("status", [307, 308])
def test_a_body_is_sent_again_after_307(status: int, proxy: FaultProxy, pusher: Pusher) -> None:
    redirect(proxy, "PUT", "/v2/a", "/v2/b", status=status)
    body = RequestBody(opener(b"x" * 1000), 1000, "it", pusher.events.append)
    pusher.transport().exchange("PUT", f"http://{proxy.host}/v2/a", headers={}, body=body).close()
    assert [(request.path, request.received) for request in proxy.requests] == [
        ("/v2/a", 1000),
        ("/v2/b", 1000),
    ]


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_put_is_never_turned_into_a_get(status: int, proxy: FaultProxy, pusher: Pusher) -> None:
    redirect(proxy, "PUT", "/v2/a", "/v2/b", status=status)
    with pytest.raises(WireError, match=f"redirects a PUT by {status}"):
        pusher.transport().exchange("PUT", f"http://{proxy.host}/v2/a", headers={}, body=b"x")
    assert len(proxy.requests) == 1


def test_a_circle_of_redirects_ends(proxy: FaultProxy, pusher: Pusher) -> None:
    redirect(proxy, "GET", "/v2/a", "/v2/b")
    redirect(proxy, "GET", "/v2/b", "/v2/a")
    with pytest.raises(WireError, match="in a circle"):
        pusher.transport().exchange("GET", f"http://{proxy.host}/v2/a", headers={})


def test_eleven_hops_are_too_many(proxy: FaultProxy, pusher: Pusher) -> None:
    for hop in range(12):
        redirect(proxy, "GET", f"/v2/{hop}$", f"/v2/{hop + 1}")
    with pytest.raises(WireError, match="more than 10 times"):
        pusher.transport().exchange("GET", f"http://{proxy.host}/v2/0", headers={})
    assert len(proxy.requests) == 11


def test_a_redirect_to_an_inner_address_is_refused(proxy: FaultProxy, pusher: Pusher) -> None:
    redirect(proxy, "GET", "/v2/a", "https://169.254.169.254/")
    with pytest.raises(UnsafeUrlError, match="inside this network"):
        pusher.transport().exchange("GET", f"http://{proxy.host}/v2/a", headers={})


def test_a_large_error_page_is_read_in_part(proxy: FaultProxy, pusher: Pusher) -> None:
    proxy.fail_next("GET", "/v2/", status=500, body=b"x" * 10_000_000)
    response = pusher.transport().exchange("GET", f"http://{proxy.host}/v2/", headers={})
    assert response.read() == b"x" * 65536


def test_an_answer_that_ends_early_is_a_failure(proxy: FaultProxy, pusher: Pusher) -> None:
    proxy.fail_next("GET", "/v2/", status=200, headers={"Content-Length": "100"}, body=b"x", early=True)
    with pytest.raises(WireError):
        pusher.transport().exchange("GET", f"http://{proxy.host}/v2/", headers={}).read()


def test_memory_does_not_grow_with_the_body(registry: Registry, pusher: Pusher, tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    with blob.open("wb") as file:
        file.truncate(256 * 1024 * 1024)
    client = pusher.client(registry.host, registry.new_repository())
    upload = client.start_upload()

    def ignore(_: Event) -> None:
        pass

    tracemalloc.start()
    try:
        upload = client.patch(upload, RequestBody(lambda: blob.open("rb"), 256 * 1024 * 1024, "it", ignore))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    client.cancel(upload)
    assert peak < 4 * 1024 * 1024


def test_a_reader_never_hands_out_more_than_it_said() -> None:
    reader = SizedReader(RequestBody(opener(b"0123456789"), 4, "it", lambda _: None))
    assert len(reader) == 4
    assert reader.read(3) + reader.read(3) + reader.read(3) == b"0123"


@pytest.mark.parametrize(
    ("url", "environ", "proxy_url"),
    [
        ("https://a.example/", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https://a.example/", {"https_proxy": "p:1", "HTTPS_PROXY": "http://q:1"}, "http://p:1"),
        ("http://a.example/", {"HTTPS_PROXY": "http://p:1"}, None),
        ("https://a.example/", {"ALL_PROXY": "http://p:1"}, "http://p:1"),
        ("https://a.example/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "b.example,.example"}, None),
        ("https://a.example/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        ("https://a.example/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "b.example"}, "http://p:1"),
        ("https://127.0.0.1:5000/", {"HTTPS_PROXY": "http://p:1"}, None),
        ("https://a.example/", {}, None),
    ],
)
def test_which_proxy(url: str, environ: dict[str, str], proxy_url: str | None) -> None:
    assert proxy_for(url, environ) == proxy_url


@pytest.mark.parametrize(("status", "hint"), [(407, "user and password"), (502, "NO_PROXY")])
def test_a_proxy_that_refuses(status: int, hint: str, proxy: FaultProxy, pusher: Pusher) -> None:
    proxy.fail_next("CONNECT", "", status=status)
    transport = pusher.transport(environ={"HTTPS_PROXY": f"http://me:canary@{proxy.host}"})
    with pytest.raises(ProxyRefusedError, match=f"answered {status}") as raised:
        transport.exchange("GET", "https://registry.invalid/v2/", headers={})
    assert hint in raised.value.hint
    assert raised.value.transient == (status != 407)
    assert "canary" not in raised.value.message


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_is_none(content: str | None, tmp_path: Path, pusher: Pusher) -> None:
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    with pytest.raises(UsageError, match="holds no certificates") as raised:
        pusher.transport(ca=str(path)).exchange("GET", "https://127.0.0.1:9/", headers={})
    assert "PEM" in raised.value.hint


def test_urls_are_shown_without_secrets() -> None:
    assert redact_url("https://u:p@h.example:5/a/b?sig=canary#f") == "https://h.example:5/a/b?…"


def test_a_long_url_is_shown_in_part() -> None:
    shown = redact_url(f"https://a.example/{'x' * 400}?a=canary")
    assert len(shown) == 300
    assert "canary" not in shown


def test_a_limit_of_open_files_is_named_where_a_connection_fails() -> None:
    error = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    assert "ulimit -n" in wire_error(error, Origin.of("https://registry.example")).hint
    assert not wire_error(ConnectionResetError(104, "reset"), Origin.of("https://registry.example")).hint
