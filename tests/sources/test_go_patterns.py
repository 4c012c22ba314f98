"""Patterns of Go's regexp, which nix2container compiles: `perms`, and the rewrites of paths.

What they mean here was compared with RE2 on some 30,000 random patterns.
"""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from flakeship.errors import NotAnImageError
from flakeship.outside.patterns import Pattern, TooSlowError
from flakeship.sources.nix2container.document import parse
from flakeship.sources.nix2container.patterns import GoPattern
from flakeship.sources.nix2container.tree import WriterVersion, tar_pieces
from tests.sources.layouts import sha256
from tests.sources.store_trees import image_json, layer_json


@pytest.mark.parametrize(
    ("pattern", "whole", "partly", "never"),
    [
        ("[[:alpha:]]+", "abc", "1a", "é1-"),
        ("[^[:space:]]", "a", " a", " \t\v"),
        ("[[:^digit:]x]+", "ax", "1x", "12"),
        ("[[:word:]-]+", "a_1-", "!a", "!."),
        (r"[\d[:punct:]]+", "1.2!", "a1", "ab"),
        (r"\s+", " \t\f", "a ", "\va"),
        (r"\w\W", "a-", "b a-", "éé"),
        (r"\bfoo\b", "foo", "a foo.", "foo_"),
        (r"\pL+", "aé", "1é", "12"),
        (r"\p{Greek}\P{Greek}", "βb", "aβb", "ba"),
        (r"\p{^Lu}[^\pN]", "aA", "1aA", "A1"),
        (r"\Qa.b*\E+", "a.b***", "xa.b*", "aab"),
        (r"\Qa.b", "a.b", "aa.b", "axb"),
        (r"a\z", "a", "ba", "a\n"),
        ("a$", "a", "ba", "a\n"),
        ("(?m)^a$", "a", "b\na\nb", "ab"),
        ("^a", "a", "ab", "\na"),
        ("a(?i)b|c", "aB", "xC", "Ab"),
        ("(?i:a)b", "Ab", "xab", "AB"),
        ("(?is-m:a.)", "A\n", "xab", "bA"),
        ("(?U)a+?", "aa", "baa", "b"),
        ("(?P<n>a)(?<m>b)", "ab", "xab", "ba"),
        (r"\x41\x{1F600}\101\07\a", "A😀A\a\a", "xA😀A\a\a", "A"),
        ("a{2}|a{4,}|{,2}", "aa", "{,2}", "a"),
        ("[]a]+[^]]", "]ax", "b]b", "]]"),
        (r"[\w-z]+", "a-z", "!-", "!."),
        (r"\.\-\_", ".-_", "a.-_", "a-_"),
        ("a.c", "abc", "xabc", "a\nc"),
        ("(?s)a.c", "a\nc", "xabc", "ac"),
        ("k(?-i)", "k", "ak", "K"),
    ],
)
def test_a_pattern_means_what_it_means_in_go(pattern: str, whole: str, partly: str, never: str) -> None:
    compiled = GoPattern(pattern)
    assert compiled.replaced(whole, "") == ""
    assert compiled.matches(partly)
    assert not compiled.matches(never)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", "a group is never closed"),
        (")", "a ) closes nothing"),
        ("[a", "a set is never closed"),
        ("*", "nothing stands before * to repeat"),
        ("a**", "a repetition stands right behind another one"),
        ("a{2}{3}", "a repetition stands right behind another one"),
        ("a{1001}", "{1001} is not a number of repetitions"),
        ("[[:nope:]]", "[:nope:] is not a class of characters"),
        ("[b-a]", "the ends of a range are out of order"),
        (r"\e", r"\e is not an escape of Go"),
        (r"\1", r"\1 is not an escape of Go"),
        (r"\p", r"\p needs the name of a property"),
        (r"\p{Nonsense}", "unknown property"),
        ("(?=a)", "(?= begins no group of Go"),
        ("(?<=a)", "the name of a group is never closed"),
        ("(?P<a-b>c)", "'a-b' is not the name of a group"),
        ("(" * 10_000, "it is nested too deeply"),
        ("a\\", "it ends too early"),
    ],
)
def test_what_is_no_pattern_of_go_is_told(pattern: str, words: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(words)):
        GoPattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "template", "text", "result"),
    [
        ("x*", "-", "abxd", "-a-b-d-"),
        ("^/nix/store/[^/]+", "", "/nix/store/a-b/c", "/c"),
        ("^/a|b", "<$0>", "/ab/a", "</a><b>/a"),
        ("(?P<first>.)(.)", "$2${first}", "abcd", "badc"),
        ("(.)", "$1x|${1}x|$$|$01|$9|$no", "a", "|ax|$|||"),
        ("(a)|b", "[$1]", "ab", "[a][]"),
        (r"(\w*)+", "[$1]", "11", "[]"),  # in docs/sources.md: Go gives [11]
    ],
)
def test_paths_are_rewritten_as_go_does(pattern: str, template: str, text: str, result: str) -> None:
    assert GoPattern(pattern).replaced(text, template) == result


def _tar(store: Path, **options: Any) -> list[tarfile.TarInfo]:
    layer = layer_json(sha256(b""), {"path": str(store / "one"), "options": options})
    document = parse(image_json([layer]), store=store, what="image.json")
    data = b"".join(tar_pieces(document.layers[0].paths, WriterVersion()))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.getmembers()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "run1").write_text("")
    (tmp_path / "one" / "run").write_text("")
    return tmp_path


@pytest.mark.parametrize("regex", ["/run[[:digit:]]$", r"(?i)RUN\pN", r"/run[^[:alpha:]]\z"])
def test_permissions_are_of_the_files_that_go_matches(store: Path, regex: str) -> None:
    members = _tar(store, perms=[{"regex": regex, "mode": "0700", "uid": 7}])
    assert [Path(member.name).name for member in members if member.uid == 7] == ["run1"]


@pytest.mark.parametrize(
    "options",
    [
        {"perms": [{"regex": "^(.|..)+x$", "mode": "0700"}]},
        {"rewrite": {"regex": "^(?:.|..)+x$", "repl": ""}},
    ],
)
def test_a_pattern_of_exponential_time_is_an_error(
    store: Path, options: dict[str, Any], mocker: MockerFixture
) -> None:
    mocker.patch.object(Pattern.__init__, "__kwdefaults__", {"seconds": 0.05})
    with pytest.raises(NotAnImageError, match=r"a layer has the pattern .* takes more than 0.05 s") as caught:
        _tar(store, **options)
    assert "a repetition within a repetition" in caught.value.hint


def test_the_time_is_that_of_all_uses_together() -> None:
    pattern = Pattern("^(?:a|aa)+$", seconds=0.05)
    assert pattern.search("aaa")
    with pytest.raises(TooSlowError):
        pattern.search("a" * 60 + "!")
    with pytest.raises(TooSlowError):
        pattern.search("aaa")
