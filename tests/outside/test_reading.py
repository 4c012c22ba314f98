"""Files, JSON, text and dates of others: within bounds, and whatever they hold."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.outside.moments import moment_at, moment_of
from flakeship.outside.reading import json_of, read_file, whole_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_file(tmp_path / "file", 5) == b"12345"
    for path in (tmp_path / "file", Path("/dev/zero")):
        with pytest.raises(ValueError, match="it has more than 4 bytes"):
            read_file(path, 4)


@given(JSON)
def test_json_is_read_as_it_is(document: Any) -> None:
    assert json_of(json.dumps(document).encode()) == document
    assert json_of(json.dumps(document, ensure_ascii=False).encode()) == document


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (rb'"\ud800"', "\ufffd"),
        (rb'"\udc00\ud800"', "\ufffd\ufffd"),
        (rb'"\ud83d\ude00\uD83Dx"', "😀\ufffdx"),
        (rb'"\\ud800\\\ud800"', "\\ud800\\\ufffd"),
        (rb'{"\ud800":1}', {"\ufffd": 1}),
        (b'"\xff"', "\ufffd"),
    ],
)
def test_what_is_no_text_in_json_is_replaced(text: bytes, value: Any) -> None:
    assert json_of(text) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "it is not JSON"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"a":' * 100_000, "it is nested too deeply"),
        (b"1" * 5000, "4300 digits"),
    ],
)
def test_what_is_no_json_is_told(text: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        json_of(text)


def test_halves_of_pairs_are_no_text() -> None:
    assert whole_text("a\udcffb\ud800😀") == "a\ufffdb\ufffd😀"


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "2026-01-31", "2026-01-31T12:00:00", "10000-01-01T00:00:00+00:00"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-31T12:00:00+99:59"),
        *("9999-12-31T24:00:00Z", "2026-02-30T12:00:00Z"),
    ],
)
def test_a_date_that_nothing_can_be_made_of_is_none(text: str) -> None:
    assert moment_of(text) is None


def test_a_date_at_the_edge_is_one() -> None:
    for text in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59+14:00"):
        assert moment_of(text) == datetime.fromisoformat(text)


@pytest.mark.parametrize("seconds", [10**11 * 9, -(10**12), 10**30, float("inf"), float("nan")])
def test_seconds_that_no_year_has_are_none(seconds: float) -> None:
    assert moment_at(seconds) is None
    assert moment_at(0) == datetime(1970, 1, 1, tzinfo=UTC)
