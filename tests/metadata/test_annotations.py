"""Level prefixes of annotations, as buildx reads them."""

import pytest

from flakeship.errors import UsageError
from flakeship.metadata.annotations import (
    Annotation,
    Level,
    PlatformLevel,
    at_levels,
    parse_annotation,
    parse_levels,
)
from flakeship.metadata.syntax.lists import Placed, parse_list


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("k=v", [(("manifest",), None, "k", "v")]),
        ("k=a=b:c", [(("manifest",), None, "k", "a=b:c")]),
        ("k=", [(("manifest",), None, "k", "")]),
        ("manifest:k=v", [(("manifest",), None, "k", "v")]),
        ("index:k=v", [(("index",), None, "k", "v")]),
        ("manifest-descriptor:k=v", [(("manifest-descriptor",), None, "k", "v")]),
        ("index-descriptor:k=v", [(("index-descriptor",), None, "k", "v")]),
        ("manifest,index:k=v", [(("manifest", "index"), None, "k", "v")]),
        ("manifest,manifest:k=v", [(("manifest",), None, "k", "v")]),
        ("manifest[linux/amd64]:k=v", [(("manifest",), "linux/amd64", "k", "v")]),
        ("manifest[linux/arm/v7]:k=v", [(("manifest",), "linux/arm/v7", "k", "v")]),
        (
            "manifest[linux/amd64],manifest-descriptor[linux/amd64],index:k=v",
            [(("manifest", "manifest-descriptor"), "linux/amd64", "k", "v"), (("index",), None, "k", "v")],
        ),
        ("manifest:com.example:key=v", [(("manifest",), None, "com.example:key", "v")]),
    ],
)
def test_a_line_says_where_it_goes(
    line: str, expected: list[tuple[tuple[Level, ...], str | None, str, str]]
) -> None:
    assert parse_annotation(Placed(line)) == tuple(Annotation(*row) for row in expected)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("manifest:k", "line 2, column 3: an annotation must be KEY=VALUE"),
        ("image:k=v", "line 2, column 3: unknown annotation level 'image'"),
        ("manifest,foo:k=v", "line 2, column 12: unknown annotation level 'foo'"),
        ("manifest[linux:k=v", "line 2, column 3: unknown annotation level"),
        ("manifest[linux/]:k=v", "line 2, column 3: 'linux/' is not a platform"),
        (":k=v", "line 2, column 3: unknown annotation level ''"),
        ("index:=v", "line 2, column 9: the annotation has no key"),
    ],
)
def test_a_bad_line_is_named_with_its_place(line: str, words: str) -> None:
    (entry,) = parse_list(f"\n  {line}", comma=False)
    with pytest.raises(UsageError) as caught:
        parse_annotation(entry)
    assert caught.value.message.startswith(words)
    assert "write " in caught.value.hint


def test_levels_are_checked_and_given_to_every_pair() -> None:
    levels = parse_levels(Placed("manifest, index[linux/amd64],"))
    assert levels == (PlatformLevel("manifest"), PlatformLevel("index", "linux/amd64"))
    assert [str(level) for level in levels] == ["manifest", "index[linux/amd64]"]
    assert at_levels([("a", "1"), ("b", "2:=")], levels) == (
        Annotation(("manifest",), None, "a", "1"),
        Annotation(("index",), "linux/amd64", "a", "1"),
        Annotation(("manifest",), None, "b", "2:="),
        Annotation(("index",), "linux/amd64", "b", "2:="),
    )
    with pytest.raises(UsageError, match="the annotation has no key"):
        at_levels([("", "1")], levels)
    with pytest.raises(UsageError, match="unknown annotation level 'indx'"):
        parse_levels(Placed("manifest,indx"))
