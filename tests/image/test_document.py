"""JSON as untrusted bytes and in one spelling; merge patches."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.image.document import (
    DOCUMENT_LIMIT,
    decode,
    decode_object,
    encode,
    merge_patch,
    patch_between,
    without_nulls,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
WITH_NULLS = st.recursive(
    SCALARS | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), VALUES, max_size=4)

# RFC 7396, appendix A
RFC = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC)
def test_merge_patch_as_the_rfc_says(target: Any, patch: Any, result: Any) -> None:
    before = json.dumps(target)
    assert merge_patch(target, patch) == result
    assert json.dumps(target) == before


@given(OBJECTS, OBJECTS)
def test_a_patch_leads_from_one_document_to_the_other(before: Any, after: Any) -> None:
    assert encode(merge_patch(before, patch_between(before, after))) == encode(after)
    assert patch_between(after, after) == {}


def test_a_patch_tells_true_from_one() -> None:
    assert patch_between({"a": True}, {"a": 1}) == {"a": 1}


@given(WITH_NULLS)
def test_decode_reads_what_encode_writes(value: Any) -> None:
    data = encode(value)
    assert encode(decode(data)) == data


@given(st.dictionaries(TEXT, SCALARS, min_size=2))
def test_the_order_of_keys_makes_no_difference(document: dict[str, Any]) -> None:
    assert encode(dict(reversed(document.items()))) == encode(document)


def test_one_spelling() -> None:
    assert encode({"b": "ü<", "a": [1, None]}) == '{"a":[1,null],"b":"ü<"}'.encode()
    assert encode("\udcff") == b'"\\udcff"'


@given(WITH_NULLS)
def test_without_nulls_leaves_none_and_nothing_else_out(value: Any) -> None:
    cleaned = without_nulls({"kept": value})
    assert without_nulls(cleaned) == cleaned
    assert None not in list(_leaves(cleaned))
    assert [leaf for leaf in _leaves(value) if leaf is not None] == list(_leaves(cleaned.get("kept", [])))


def _leaves(value: Any) -> Any:
    match value:
        case dict():
            for item in value.values():
                yield from _leaves(item)
        case list():
            for item in value:
                yield from _leaves(item)
        case _:
            yield value


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b'{"a":1} x', "Extra data"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"[1e999]", "1e999 is too large a number"),
        (b"[" + b"9" * 5000 + b"]", "digits"),
        (b'"\xff"', "not UTF-8"),
        ('{"a":1}'.encode("utf-16"), "not UTF-8"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b'"\\ud800"', "half of a surrogate pair"),
        (b'{"\\uDFFF":1}', "half of a surrogate pair"),
        (b'{"a":1,"b":{"k":1,"k":2}}', "the key 'k' occurs twice"),
        (b"[" * 65 + b"]" * 65, "nested too deeply"),
        (b"[" * 500_000 + b"]" * 500_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b" " * (DOCUMENT_LIMIT + 1), f"more than {DOCUMENT_LIMIT} bytes"),
    ],
)
def test_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        decode(data)
    assert reason in str(caught.value)


@pytest.mark.parametrize("data", [b"[" * 64 + b"]" * 64, b'"\\ud83d\\ude00"', b" {} "])
def test_accepted(data: bytes) -> None:
    assert decode(data) == json.loads(data)


def test_an_object_is_asked_for() -> None:
    assert decode_object(b'{"a":[]}') == {"a": []}
    with pytest.raises(ValueError, match="not a JSON object"):
        decode_object(b"[]")


@given(st.binary(max_size=60))
def test_garbage_is_a_value_error_at_worst(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        decode(data)
