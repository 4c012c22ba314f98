"""Reading WWW-Authenticate as registries really send it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.registry import challenge as challenge_module
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


SCHEMES = st.lists(
    st.tuples(
        st.sampled_from(["Basic", "Bearer", "Negotiate", "digest", "X-y"]),
        st.one_of(
            st.dictionaries(_NAMES, _VALUES, max_size=3),
            st.from_regex(r"[A-Za-z0-9._~+/-]{1,12}={0,2}", fullmatch=True),
        ),
    ),
    max_size=4,
)
BLANKS = st.sampled_from(["", " ", "\t", "  "])


@given(SCHEMES, st.sampled_from([", ", ",", " , ", ",,\t,"]), BLANKS, st.booleans())
def test_the_whole_grammar_comes_back(
    schemes: list[tuple[str, dict[str, str] | str]], comma: str, blank: str, pairs: bool
) -> None:
    """RFC 9110, section 11.6.1: many challenges, parameters or a token68, blanks at an equals sign, quoted pairs, empty elements."""

    def quoted(value: str) -> str:
        text = "".join(f"\\{letter}" if pairs or letter in '"\\' else letter for letter in value)
        return f'"{text}"'

    def written(scheme: str, rest: dict[str, str] | str) -> str:
        if isinstance(rest, str):
            return f"{scheme} {rest}"
        listed = comma.join(f"{name}{blank}={blank}{quoted(value)}" for name, value in rest.items())
        return f"{scheme} {listed}" if listed else scheme

    read = parse_challenges(comma.join(written(*each) for each in schemes))
    assert [(challenge.scheme, dict(challenge.parameters)) for challenge in read] == [
        (scheme.lower(), {} if isinstance(rest, str) else rest) for scheme, rest in schemes
    ]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            'Bearer realm="https://x/t" service="s" scope="a b"',
            {"realm": "https://x/t", "service": "s", "scope": "a b"},
        ),
        ("Bearer realm=https://x/t?a=b&c=d,service=s", {"realm": "https://x/t?a=b&c=d", "service": "s"}),
        ('Bearer realm="https://x/t",realm="https://evil/"', {"realm": "https://x/t"}),
        ('Bearer "what", realm="https://x/t"', {"realm": "https://x/t"}),
        ('Bearer service=, realm="https://x/t"', {"realm": "https://x/t"}),
        ('Bearer service="s",realm="https://x/t', {"service": "s"}),
    ],
    ids=["no commas", "a bare URL", "twice", "garbage", "no value", "no end of the quote"],
)
def test_what_is_malformed_costs_no_more_than_itself(header: str, expected: dict[str, str]) -> None:
    (challenge,) = parse_challenges(header)
    assert dict(challenge.parameters) == expected


@pytest.mark.parametrize(
    "unit", [",", " ", "a ", "a=", 'a="', 'a="\\', '"', '\\"', "a =", "=", "a,", "A YW=,", "\\"]
)
@pytest.mark.parametrize("first", ["", "Bearer ", 'Bearer realm="'])
def test_a_long_header_is_read_in_one_pass(first: str, unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is counted, not time: what the patterns take is a few times the header in all."""
    looked = 0

    class Counting:
        def __init__(self, pattern: re.Pattern[str]) -> None:
            self._pattern = pattern

        def match(self, text: str, position: int) -> re.Match[str] | None:
            nonlocal looked
            hit = self._pattern.match(text, position)
            looked += 1 + (hit.end() - position if hit else 0)
            return hit

    for name in ("_SEPARATORS", "_WORD", "_VALUE", "_OPEN", "_SCHEME_ENDS", "_TOKEN68", "_MALFORMED"):
        monkeypatch.setattr(challenge_module, name, Counting(getattr(challenge_module, name)))
    header = first + unit * (16384 // len(unit))
    parse_challenges(header)
    assert looked <= 8 * len(header)


@given(st.text(max_size=200))
def test_no_header_breaks_it(header: str) -> None:
    for challenge in parse_challenges(header):
        assert challenge.scheme == challenge.scheme.lower()
