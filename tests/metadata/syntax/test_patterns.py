"""JavaScript's regular expressions, where they are written otherwise than Python's."""

import pytest

from flakeship.metadata.syntax.patterns import find_groups


@pytest.mark.parametrize(
    ("pattern", "text", "groups"),
    [
        (r"v(\d)", "v1", ("v1", "1")),
        (r"v(x)?", "v1", ("v", None)),
        (r"(?<a>\d)\.\k<a>", "1.1", ("1.1", "1")),
        (r"(?<=v)\d", "v1", ("1",)),
        (r"(?<!v)\d", "v1", None),
        ("[[]", "a[", ("[",)),
        ("[a&&b]", "&", ("&",)),
        ("[^]", "\n", ("\n",)),
        ("[]", "x", None),
        (r"\e", "e", ("e",)),
        (r"[\e]", "e", ("e",)),
        ("x{,2}", "x{,2}", ("x{,2}",)),
        ("x{2,}", "xxx", ("xxx",)),
        ("a$", "a\n", None),
        (r"\d", "\u0663", None),
        ("/A/i", "a", ("a",)),
        ("/a$/m", "a\nb", ("a",)),
        ("/a.b/s", "a\nb", ("a\nb",)),
        (r"/\d/g", "1.2.3", ("1", "2", "3")),
        (r"/\d/g", "x", None),
        (r"/\d/y", "x1", None),
        ("a/b", "a/b", ("a/b",)),
        (r"\p{L}", "p{L}", ("p{L}",)),
        (r"/\\p{1}/u", "\\p", ("\\p",)),
    ],
)
def test_a_pattern_means_what_it_means_there(
    pattern: str, text: str, groups: tuple[str | None, ...] | None
) -> None:
    assert find_groups(pattern, text, delimited=True) == groups


def test_match_knows_no_slashes() -> None:
    assert find_groups("/v/", "a/v/b", delimited=False) == ("/v/",)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", "missing ), unterminated subpattern"),
        ("[a", "unterminated character set"),
        ("*", "nothing to repeat"),
        ("/a/gg", "a flag stands twice in 'gg'"),
        ("/a/x", "unknown flag 'x'"),
        (r"/v\p{L}/u", r"\\p{…} is not known here"),
        (r"/\\\u{41}/v", r"\\u{…} is not known here"),
    ],
)
def test_what_is_wrong_with_a_pattern_is_said(pattern: str, words: str) -> None:
    with pytest.raises(ValueError, match="^" + words.replace(")", r"\)")):
        find_groups(pattern, "a", delimited=True)
