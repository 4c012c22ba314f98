"""Lists as Docker's actions read them: newlines, commas, quotes, comments."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.errors import UsageError
from flakeship.metadata.syntax.lists import Placed, parse_list, parse_pair


def texts(values: tuple[Placed, ...]) -> tuple[str, ...]:
    return tuple(value.text for value in values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("bar,baz", ("bar", "baz")),
        ("bar,baz,", ("bar", "baz")),
        ("bar\nbaz", ("bar", "baz")),
        ("bar\r\nbaz,bat", ("bar", "baz", "bat")),
        ("bar\n\n\n  baz  \n \n", ("bar", "baz")),
        (",,a", ("a",)),
        ('linux/amd64\n"linux/arm64,linux/arm/v7"', ("linux/amd64", "linux/arm64", "linux/arm/v7")),
        ('"a ""b"" c"', ('a "b" c',)),
        ('"a"b,c', ('"a"b', "c")),
        ('say "hi"', ('say "hi"',)),
        ('""', ()),
        ("foo=bar\nbar=qux#baz", ("foo=bar", "bar=qux#baz")),
    ],
)
def test_values_are_split_at_newlines_and_commas(text: str, expected: tuple[str, ...]) -> None:
    assert texts(parse_list(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user/app:cache\ntype=local,src=path/to/dir", ("user/app:cache", "type=local,src=path/to/dir")),
        ("# no\nfoo=bar\nbar=qux#baz\n#end", ("foo=bar", "bar=qux#baz")),
        ('"A=a,b\n\nc ""d"""\nB=b', ('A=a,b\n\nc "d"', "B=b")),
        ('"type=raw,value=a"\n"b"#c', ("type=raw,value=a", "b#c")),
        ("a,", ("a,",)),
        ("a,\nb", ("a,", "b")),
        ("x,# not a comment", ("x,# not a comment",)),
        ('  "a,b"\n"c,d"  \n', ("a,b", "c,d")),
        ('\n\t# no\n  "a,b"', ('"a,b"',)),
    ],
)
def test_a_comma_belongs_to_the_value_where_asked(text: str, expected: tuple[str, ...]) -> None:
    assert texts(parse_list(text, comma=False, comment="#")) == expected


def test_each_value_knows_its_place() -> None:
    places = parse_list('# c\na, b\n"c\nd",e\n  f', comment="#")
    assert places == (
        Placed("a", 2, 1), Placed("b", 2, 4), Placed("c\nd", 3, 2), Placed("e", 4, 4), Placed("f", 5, 3),
    )  # fmt: skip
    assert parse_list('\r\n \n  "a" \n') == (Placed("a", 3, 4),)


def test_a_place_within_a_value_counts_its_own_lines() -> None:
    (value,) = parse_list("\n  ab\n", comma=False)
    assert value.where(1) == "line 2, column 4: "
    assert value.part(1, "b") == Placed("b", 2, 4)
    lines = Placed("a\nbc", 3, 7)
    assert lines.where(3) == "line 4, column 2: "
    assert lines.part(2, "bc").where(1) == lines.where(3)
    assert Placed("plain").where() == ""
    assert Placed("plain").where(2) == "column 3: "


def test_an_open_quote_is_an_error_that_names_its_place() -> None:
    with pytest.raises(UsageError, match=r"line 2, column 3: a quote is opened") as caught:
        parse_list('a\nb,"c\nd')
    assert "close it" in caught.value.hint


def test_a_pair_has_everything_behind_the_first_equals_sign() -> None:
    lines = parse_list("b=1\n# c\na =x=y, z\nempty=", comma=False, comment="#")
    assert [parse_pair(line, what="") for line in lines] == [("b", "1"), ("a", "x=y, z"), ("empty", "")]


@pytest.mark.parametrize("text", ["bad", "=bad", " = bad"])
def test_a_line_that_is_no_pair_is_named(text: str) -> None:
    with pytest.raises(UsageError, match=r"line 2, column 1: a label must be KEY=VALUE") as caught:
        parse_pair(Placed(text, 2), what="a label")
    assert "one a line" in caught.value.hint


@given(
    st.lists(st.text(st.characters(exclude_characters='"\r\n', exclude_categories=["C", "Z"]), min_size=1))
)
def test_any_lines_come_back_quoted_or_not(lines: list[str]) -> None:
    quoted = "\n".join(f'"{line}"' for line in lines)
    assert texts(parse_list(quoted, comma=False)) == tuple(lines)
    assert texts(parse_list("\n".join(lines), comma=False)) == tuple(lines)


@given(st.text(alphabet='a,"#\n\r =', max_size=30))
def test_reading_ends_with_values_or_with_a_usage_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert all(value and value == value.strip() for value in texts(parse_list(text, comment="#")))
