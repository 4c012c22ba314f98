"""Reading WWW-Authenticate as registries really send it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.registry.challenge import parse_challenges, usable_challenge

_VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
_NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,10}", fullmatch=True)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            'Bearer realm="https://auth.example/t",service="s",scope="repository:a/b:pull,push"',
            [
                (
                    "bearer",
                    {"realm": "https://auth.example/t", "service": "s", "scope": "repository:a/b:pull,push"},
                )
            ],
        ),
        ("BEARER Realm=https://x/t , service=s", [("bearer", {"realm": "https://x/t", "service": "s"})]),
        (
            'Negotiate, Basic realm="x", Bearer realm="y"',
            [("negotiate", {}), ("basic", {"realm": "x"}), ("bearer", {"realm": "y"})],
        ),
        ("Negotiate YWJj==, Basic realm=x", [("negotiate", {}), ("basic", {"realm": "x"})]),
        (r'Basic realm="a \"quoted\" word"', [("basic", {"realm": 'a "quoted" word'})]),
        ("Basic", [("basic", {})]),
        ("", []),
        (",,,", []),
    ],
)
def test_headers_are_read(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    read = [(challenge.scheme, dict(challenge.parameters)) for challenge in parse_challenges(header)]
    assert read == expected


@pytest.mark.parametrize(
    ("header", "scheme"),
    [
        ('Negotiate, Basic realm="x", Bearer realm="y"', "basic"),
        ('Bearer service="no realm", Basic', "basic"),
        ("Negotiate", None),
        ("", None),
    ],
)
def test_the_first_that_can_be_answered_counts(header: str, scheme: str | None) -> None:
    found = usable_challenge(parse_challenges(header))
    assert (found.scheme if found else None) == scheme


@given(_NAMES, st.dictionaries(_NAMES, _VALUES, min_size=1, max_size=4))
def test_what_is_quoted_comes_back(scheme: str, parameters: dict[str, str]) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", r"\\").replace('"', r"\"") + '"'

    header = f"{scheme} " + ", ".join(f"{name}={quoted(value)}" for name, value in parameters.items())
    (challenge,) = parse_challenges(header)
    assert (challenge.scheme, dict(challenge.parameters)) == (scheme, parameters)


@given(st.text(max_size=200))
def test_no_header_breaks_it(header: str) -> None:
    for challenge in parse_challenges(header):
        assert challenge.scheme == challenge.scheme.lower()
