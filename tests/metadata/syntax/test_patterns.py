"""JavaScript's regular expressions, where they are written otherwise than Python's."""

import re
from random import Random

import pytest
from pytest_mock import MockerFixture

from flakeship.metadata.syntax.patterns import find_groups
from flakeship.outside.patterns import Pattern, TooSlowError
from tests.metadata.javascript import answers


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
        (r"/\p{L}+/u", "vé1", ("vé",)),
        (r"/\p{Script=Greek}/u", "aβ", ("β",)),
        (r"/\u{76}\u0031/v", "v1", ("v1",)),
        (r"(?<=v+\.?)\d", "vv.1", ("1",)),
        (r"(?<$v>\d)\k<$v>", "11", ("11", "1")),
        (r"(a)?b\1c", "bc", ("bc", None)),
        (r"\1(a)", "a", ("a", "a")),
        (r"(?i:A)B", "aB", ("aB",)),
        (r"/(?-i:A)b/i", "AB", ("AB",)),
        (r"^a.c$", "a\u2028c", None),
        (r"/^b/m", "a\rb", ("b",)),
        (r"\s+", "\u00a0\ufeff", ("\u00a0\ufeff",)),
        (r"/\W/i", "k-", ("-",)),
        (r"\x41\u0042\103\cJ\0", "ABC\n\0", ("ABC\n\0",)),
        (r"\8\c", "8\\c", ("8\\c",)),
        (r"[\w-a]+", "a-b", ("a-b",)),
        ("]}{", "]}{", ("]}{",)),
        ("..", "😀", ("😀",)),
        ("/^.$/u", "😀", ("😀",)),
        (r"/\d/gy", "12a3", ("1", "2")),
        ("/x*/g", "ax", ("", "x", "")),
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
        ("(", "a group is never closed"),
        (")", "a ) closes nothing"),
        ("[a", "a set is never closed"),
        ("*", "nothing stands before * to repeat"),
        ("a**", "nothing stands before * to repeat"),
        ("a{2}{3}", "nothing stands before { to repeat"),
        ("^*", "what stands before * can't be repeated"),
        ("a{2,1}", "the numbers of {2,1} are out of order"),
        ("[b-a]", "the ends of a range are out of order"),
        ("(?<1>a)", "'1' is not the name of a group"),
        ("(?<a", "the name of a group is never closed"),
        ("(?x)", "(?x begins no group"),
        ("(?i-i:a)", "(?i begins no group"),
        (r"(?<a>b)\k<c>", "there is no group 'c'"),
        ("a\\", "it ends too early"),
        ("(" * 10_000, "it is nested too deeply"),
        ("/a/gg", "a flag stands twice in 'gg'"),
        ("/a/x", "unknown flag 'x'"),
        ("/a/uv", "of the flags 'u' and 'v' there may be one"),
        (r"/\e/u", r"\e is not an escape with the flag 'u' or 'v'"),
        (r"/\1/u", "there is no group 1"),
        ("/{/u", "{ needs a backslash before it"),
        ("/a{/u", "{ needs a backslash before it"),
        (r"/\u{110000}/u", r"\u needs the number of a character"),
        (r"/[\d-z]/u", "a set is not an end of a range"),
        (r"/\p{No such}/u", "'No such' is not a property of characters"),
        (r"/\p{Nonsense}/u", "unknown property"),
        # in docs/metadata.md
        ("(?<a>b)|(?<a>c)", "two groups of one name are not known here"),
        ("/[[a-z]--b]/v", "sets made of sets, by the flag 'v', are not known here"),
        (r"(?<=\1(a))", "a reference to a later group in a lookbehind is not known here"),
    ],
)
def test_what_is_wrong_with_a_pattern_is_said(pattern: str, words: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(words)):
        find_groups(pattern, "a", delimited=True)


OTHERWISE: dict[str, tuple[str, list[str | None] | str, tuple[str | None, ...] | None]] = {
    r"(a?)?": ("b", ["", None], ("", "")),
    r"(?:(a)|b)*": ("ab", ["ab", None], ("ab", "a")),
    r"(?:a*?)?": ("a", ["a"], ("",)),
    r"/\P{Lu}/iu": ("A", ["A"], None),
    r"/[(]/v": ("(", "error", ("(",)),
    r"/\p{Greek}/u": ("β", "error", ("β",)),
}


def test_what_is_read_otherwise_stands_in_the_docs() -> None:
    cases = []
    for pattern, (text, _, ours) in OTHERWISE.items():
        source, flags = pattern[1:].rsplit("/", 1) if pattern[0] == "/" else (pattern, "")
        cases.append([source, flags, text])
        assert find_groups(pattern, text, delimited=True) == ours
    assert answers(_MATCH, cases) == [theirs for _, theirs, _ in OTHERWISE.values()]


_MATCH = """(source, flags, text) => {
  try { const found = text.match(new RegExp(source, flags)); return found && [...found].map(each => each ?? null) }
  catch { return "error" }
}"""
_ATOMS = re.split(
    " ",
    r"a b 1 . - _ \d \w \s \W \S \D [a-c] [^a] [\d\-] [^\W_] [] [^] [[] \. \/ \e \x61 \u0061 \0 \cA \c \8 \101 { } ] "
    r"x{,2} é 😀 \p{L} [\p{L}\d] [\b] [\cA] [a\-z] / A [A-Z] \- \u{61} \k<n> \1",
)
_EDGES = (r"\b", r"\B", "^", "$", "(?=b)", "(?!b)", "(?<=a)", "(?<!a)", "(?=(b))", "")
_TIMES = ("", "", "", "*", "+", "?", "{2}", "{1,}", "{0,2}", "*?", "+?", "??", "{2,1}", "{,2}")
_GROUPS = ("({})", "(?:{})", "(?<n>{})", "(?i:{})", "(?s-i:{})", "(?:b{})+", "(?:{}1){{0,2}}")
_TEXTS = (
    *("", "a", "abab", "v1.2.3", "a1_b", "A-B", "aa\nbb", "é1", "😀a", "a.b/c", "AaBb 12", "aab{2}", "x{,2}"),
    *("\u2028a\ufeff", "k<n>u0061", "cA8", "\x01\x00\b"),
)


def _pattern(random: Random, depth: int = 0) -> str:
    """A pattern of any kind, but for what the test above shows to be read otherwise."""
    out = ""
    for _ in range(random.randint(1, 3)):
        if depth < 3 and random.random() < 0.3:
            out += random.choice(_GROUPS).format(_pattern(random, depth + 1))
        else:
            out += random.choice(_EDGES) + random.choice(_ATOMS) + random.choice(_TIMES)
        out += "|" * (random.random() < 0.1)
    return out


@pytest.mark.slow
def test_patterns_of_any_kind_mean_what_they_mean_in_javascript() -> None:
    random = Random(13)
    cases = [
        [
            _pattern(random),
            "".join(random.sample("dgimsuy", random.choice([0, 0, 1, 2]))),
            random.choice(_TEXTS),
        ]
        for _ in range(400)
    ]
    wrong: list[object] = []
    for case, theirs in zip(cases, answers(_MATCH, cases), strict=True):
        source, flags, text = case
        try:
            found = find_groups(f"/{source}/{flags}", text, delimited=True)
        except ValueError as error:
            if theirs != "error" and "not known here" not in str(error):
                wrong.append((case, theirs, error))
            continue
        ours = found and [group and group.encode("utf-8", "replace").decode() for group in found]
        halves = isinstance(theirs, list) and any(
            re.search("[\ud800-\udfff]", group or "") for group in theirs
        )
        if theirs != ours and not halves:
            wrong.append((case, theirs, ours))
    assert not wrong


@pytest.mark.parametrize("pattern", ["^(a|aa)+$", r"^(?:a|a\w)*!?$"])
def test_a_pattern_of_exponential_time_ends(pattern: str, mocker: MockerFixture) -> None:
    mocker.patch.object(Pattern.__init__, "__kwdefaults__", {"seconds": 0.05})
    with pytest.raises(TooSlowError, match=r"^takes more than 0.05 seconds on 'aaaa"):
        find_groups(pattern, "a" * 60 + "?b", delimited=True)
