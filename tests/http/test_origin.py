"""Where a server may send us: the attacks that are refused, and the everyday cases that must not be."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.http.errors import UnsafeUrlError
from flakeship.http.origin import Origin, check_realm, is_loopback, next_url

HERE = "https://registry.example/v2/a/blobs/uploads/"


@pytest.mark.parametrize(
    ("current", "location", "expected"),
    [
        (HERE, "https://registry.example/x?_state=a%2Fb==", "https://registry.example/x?_state=a%2Fb=="),
        (HERE, "/v2/a/blobs/uploads/id?_state=x", "https://registry.example/v2/a/blobs/uploads/id?_state=x"),
        (HERE, "id", "https://registry.example/v2/a/blobs/uploads/id"),
        (HERE, "//registry.example/y", "https://registry.example/y"),
        (HERE, "https://storage.example/y?sig=%2B", "https://storage.example/y?sig=%2B"),
        (HERE, "http://registry.example/y?z=1", "https://registry.example/y?z=1"),
        ("https://registry.example:5000/", "http://registry.example/y", "https://registry.example:5000/y"),
        ("http://10.0.0.1:5000/", "http://10.0.0.1:5000/y", "http://10.0.0.1:5000/y"),
        ("http://127.0.0.1:5000/", "http://127.0.0.1:6000/y", "http://127.0.0.1:6000/y"),
        ("http://127.0.0.1:5000/", "https://storage.example/y", "https://storage.example/y"),
    ],
)
def test_everyday_locations_are_followed(current: str, location: str, expected: str) -> None:
    assert next_url(current, location) == expected


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://elsewhere.example/y", "plain http"),
        ("https://169.254.169.254/latest/meta-data", "inside this network"),
        ("https://10.1.2.3/", "inside this network"),
        ("https://127.0.0.1:8080/", "inside this network"),
        ("https://localhost/", "inside this network"),
        ("https://[::1]/", "inside this network"),
        ("https://[::ffff:10.0.0.1]/", "inside this network"),
        ("https://0.0.0.0/", "inside this network"),
        ("https://[::]/", "inside this network"),
        ("https://0x7f000001/", "inside this network"),
        ("https://2130706433/", "inside this network"),
        ("https://127.1/", "inside this network"),
        ("https://user:secret@storage.example/", "credentials in the URL"),
        ("ftp://storage.example/", "no http"),
        ("file:///etc/passwd", "no http"),
        ("https://[broken/", "malformed"),
        ("", "empty or malformed"),
        ("https://a.example/\r\nX: y", "empty or malformed"),
    ],
)
def test_hostile_locations_are_refused(location: str, why: str) -> None:
    with pytest.raises(UnsafeUrlError, match=why) as raised:
        next_url(HERE, location)
    assert "secret" not in raised.value.message


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("https://registry.example", "https://auth.example/token"),
        ("https://10.0.0.1:5000", "https://10.0.0.1:8443/token"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token"),
        ("http://registry.example:5000", "http://auth.example/token"),
    ],
)
def test_realms_that_get_credentials(registry: str, realm: str) -> None:
    assert check_realm(Origin.of(registry), realm) == realm


@pytest.mark.parametrize(
    ("realm", "why"),
    [
        ("http://auth.example/token", "plain http"),
        ("https://169.254.169.254/token", "inside this network"),
        ("https://0.0.0.0/token", "inside this network"),
        ("https://[::]/token", "inside this network"),
        ("https://u:p@auth.example/token", "credentials in its URL"),
        ("auth.example/token", "no http"),
    ],
)
def test_realms_that_get_none(realm: str, why: str) -> None:
    with pytest.raises(UnsafeUrlError, match=why):
        check_realm(Origin.of("https://registry.example"), realm)


@given(st.text(max_size=80))
def test_a_location_is_refused_or_stays_within_the_rules(location: str) -> None:
    try:
        url = next_url(HERE, location)
    except UnsafeUrlError:
        return
    assert urlsplit(url).scheme == "https"
    host = Origin.of(url).host
    assert host == "registry.example" or not is_loopback(host)


@given(st.from_regex(r"[a-zA-Z0-9_=%&.~-]{1,40}", fullmatch=True))
def test_a_query_is_kept_to_the_letter(query: str) -> None:
    assert next_url(HERE, f"/u?{query}") == f"https://registry.example/u?{query}"
