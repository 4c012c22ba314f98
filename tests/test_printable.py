"""What is taken out of text that others wrote: a table of what each reader of it must never get."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.printable import escaped_json, one_line, printable, printable_lines

# The three alphabets that stood in three packages, before there was one.
SERVERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
LOGS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0a-\x1f\x7f-\x9f]")
NIX = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f]")


@pytest.mark.parametrize(
    ("text", "lines", "line", "answer"),
    [
        ("\x1b[31;1mred\x1b[0m", "red", "red", "red"),
        ("\x1b[2J\x1b[1;1Hx", "x", "x", "x"),
        ("\x1b]0;title\x07x", "x", "x", "x"),
        ("\x1b]8;;https://e.example\x1b\\x\x1b]8;;\x1b\\", "x", "x", "x"),
        ("\x1b]0;a\nb\x07", "]0;a\nb", "]0;ab", "]0;a b"),
        ("\x1b\x1b[0m[31mx", "[31mx", "[31mx", "[31mx"),
        ("a\tb\r\nc\x00\x7f", "a\tb\nc", "a\tbc", "a b c"),
        ("a\x85b\x9bc\x9dd", "abcd", "abcd", "a b c d"),
        ("a\u2028b\u2029c", "abc", "abc", "a b c"),
        ("user\u202e \u2066// no\u2069\u202c", "user // no", "user // no", "user   // no"),
        ("tab\tü 🚢 שלום", "tab\tü 🚢 שלום", "tab\tü 🚢 שלום", "tab ü 🚢 שלום"),
        ("", "", "", ""),
    ],
)
def test_what_is_shown(text: str, lines: str, line: str, answer: str) -> None:
    assert printable_lines(text) == lines
    assert printable(text) == line
    assert one_line(text) == answer


OTHERS = st.text(st.characters() | st.sampled_from("\x1b\x1b[]0;m\x07\\\n\t\u202e\u2066"), max_size=40)


@given(OTHERS)
def test_more_is_removed_than_each_package_did_never_less(text: str) -> None:
    assert not LOGS.search(printable(text))
    assert not NIX.search(printable_lines(text))
    assert not SERVERS.search(one_line(text))
    assert not SERVERS.search(printable_lines(text).replace("\n", "").replace("\t", ""))


@given(OTHERS)
def test_what_is_printable_stays_as_it_is(text: str) -> None:
    once = printable_lines(text)
    assert printable_lines(once) == once
    assert printable(text) == once.replace("\n", "")
    if text.isprintable():
        assert once == text


def test_an_answer_is_cut() -> None:
    assert one_line("x" * 1000, 50) == "x" * 49 + "…"
    assert one_line("x" * 50, 50) == "x" * 50


@given(
    st.recursive(st.text(), lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner), max_leaves=9)
)
def test_json_that_is_printable_says_the_same(document: object) -> None:
    text = escaped_json(json.dumps(document, indent=2, ensure_ascii=False))
    assert json.loads(text) == document
    assert not set(SERVERS.findall(text)) - {"\n"}


def test_json_keeps_letters_as_they_are() -> None:
    assert escaped_json('{"é": "\x9b31m\u202e\x7f"}') == '{"é": "\\u009b31m\\u202e\\u007f"}'
