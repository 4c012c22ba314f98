"""URLs that a server sends: one parser, one spelling, and the attacks that it refuses."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.http.errors import UnsafeUrlError
from flakeship.http.origin import Origin, is_loopback, one_spelling, realm_url, resolved

HERE = "https://registry.example/v2/a/blobs/uploads/"
REGISTRY = Origin.of("https://registry.example")


@pytest.mark.parametrize(
    ("current", "location", "expected"),
    [
        (HERE, "https://registry.example/x?_state=a%2Fb==", "https://registry.example/x?_state=a%2Fb=="),
        (HERE, "/v2/a/blobs/uploads/id?_state=x", "https://registry.example/v2/a/blobs/uploads/id?_state=x"),
        (HERE, "id", "https://registry.example/v2/a/blobs/uploads/id"),
        (HERE, "//registry.example/y", "https://registry.example/y"),
        (HERE, "https://storage.example/y?sig=%2B", "https://storage.example/y?sig=%2B"),
        (HERE, "http://registry.example/y?z=1", "https://registry.example/y?z=1"),
        (HERE, "https:///evil.example/y", "https://registry.example/evil.example/y"),
        (HERE, "https://storage.example?x", "https://storage.example/?x"),
        ("https://registry.example:5000/", "http://registry.example/y", "https://registry.example:5000/y"),
        ("http://10.0.0.1:5000/", "http://10.0.0.1:5000/y", "http://10.0.0.1:5000/y"),
        ("http://127.0.0.1:5000/", "http://127.0.0.1:6000/y", "http://127.0.0.1:6000/y"),
        ("http://127.0.0.1:5000/", "https://storage.example/y", "https://storage.example/y"),
    ],
)
def test_everyday_locations_are_followed(current: str, location: str, expected: str) -> None:
    assert resolved(current, location) == expected


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("https://user:secret@storage.example/", "credentials in it"),
        ("https://@storage.example/", "credentials in it"),
        ("https://registry.example\\@evil.example/", "credentials in it"),
        ("ftp://storage.example/", "not an http"),
        ("file:///etc/passwd", "not an http"),
        ("https://[broken/", "malformed"),
        ("", "empty or malformed"),
        ("https://a.example/\r\nX: y", "empty or malformed"),
        ("https://a.exa\tmple/", "empty or malformed"),
        ("https://a.example/\x7f", "empty or malformed"),
        ("https://auth.example:0/", r"the port 0 of auth\.example, and there is no such port"),
        ("https://auth.example:00/", "the port 0 "),
        ("https://auth.example:65536/", "the port 65536 "),
        ("https://[2001:db8::1]:99999/", "the port 99999 of 2001:db8::1"),
    ],
)
def test_hostile_locations_are_refused(location: str, why: str) -> None:
    with pytest.raises(UnsafeUrlError, match=why) as raised:
        resolved(HERE, location)
    assert "secret" not in raised.value.message


@pytest.mark.parametrize(
    ("host", "spelling"),
    [
        ("Registry.Example", "registry.example"),
        ("registry.example.", "registry.example"),
        ("registry.example:443", "registry.example"),
        ("registry.example:", "registry.example"),
        ("registry.example:0443", "registry.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("my_bucket.s3.example:8443", "my_bucket.s3.example:8443"),
        ("127.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0x7F.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("0251.0376.0251.0376", "169.254.169.254"),
        ("0xa9fea9fe", "169.254.169.254"),
        ("[::ffff:10.0.0.1]", "10.0.0.1"),
        ("[::FFFF:a9fe:a9fe]", "169.254.169.254"),
        ("[0:0::1]", "[::1]"),
    ],
)
def test_a_host_has_one_spelling(host: str, spelling: str) -> None:
    """What is compared is what is dialled, so that no library may read it in another way."""
    assert one_spelling(f"https://{host}/a%2Fb?c=%2f#d") == f"https://{spelling}/a%2Fb?c=%2f"


@pytest.mark.parametrize(
    "host",
    [
        "127%2E0%2E0%2E1",
        "%31%32%37.0.0.1",
        "evil%2Eexample",
        "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
        "\u2460\u2461\u2466.0.0.1",
        "evil\u3002example",
        "bücher.example",
        "fe80::1",
        "[fe80::1%25lo]",
        "[fe80::1%lo]",
        "[::1",
        "[v1.x]",
        "[127.0.0.1]",
        "127.0.0.256",
        "1.2.3.4.5",
        "0x7g.1",
        "a..b",
        ".a",
        "a..",
        "a.example\\.b",
        "a.example:0",
        "a.example:65536",
        "a.example:8x",
        "a.example:80:90",
        "a,b.example",
        "a'b",
        "localhost\x00.example",
        "a" * 64 + ".example",
        ".".join(["a" * 60] * 5),
    ],
)
def test_what_is_no_host_in_any_reading_is_refused(host: str) -> None:
    if host == "0x7g.1":  # a name whose last label is a number is an address, or nothing
        host = "a.0x7"
    with pytest.raises(UnsafeUrlError):
        one_spelling(f"https://{host}/")


def test_a_realm_is_a_url_without_credentials() -> None:
    assert realm_url(REGISTRY, "https://Auth.example:443/token?a=b") == "https://auth.example/token?a=b"
    for realm, why in {
        "https://u:p@auth.example/token": "credentials in its URL",
        "auth.example/token": "not an http",
        "https://auth.example/\ttoken": "malformed",
        "https://auth .example/": "malformed",
    }.items():
        with pytest.raises(UnsafeUrlError, match=why):
            realm_url(REGISTRY, realm)


@given(st.text(max_size=80))
def test_a_location_is_refused_or_stays_within_the_rules(location: str) -> None:
    try:
        url = resolved(HERE, location)
    except UnsafeUrlError:
        return
    assert urlsplit(url).scheme in {"http", "https"}
    assert one_spelling(url) == url
    assert urlsplit(url).hostname == Origin.of(url).host


@given(st.from_regex(r"[a-zA-Z0-9_=%&.~-]{1,40}", fullmatch=True))
def test_a_query_is_kept_to_the_letter(query: str) -> None:
    assert resolved(HERE, f"/u?{query}") == f"https://registry.example/u?{query}"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("a.localhost", True), ("::1", True), ("127.9.9.9", True), ("alocalhost", False)],
)
def test_what_is_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected


@pytest.mark.parametrize("port", [0, 65536, 99999])
def test_who_mends_a_port_that_there_is_not_is_told(port: int) -> None:
    with pytest.raises(UnsafeUrlError, match=f"the port {port} of a.example") as raised:
        Origin.of(f"https://a.example:{port}/")
    assert "ask the operator" in raised.value.hint
    assert Origin.of("https://a.example:65535/").port == 65535
