"""Images, labels, annotations, and what is said when the rules are wrong."""

from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_mock import MockerFixture

from flakeship.errors import UsageError
from flakeship.metadata.annotations import Annotation
from flakeship.metadata.context import Context, NixFacts, Repository
from flakeship.metadata.engine import evaluate
from flakeship.metadata.inputs import parse_inputs
from flakeship.metadata.labels import PREFIX, Labels, collation_key
from flakeship.metadata.syntax.lists import parse_list
from flakeship.metadata.tags import sanitized
from flakeship.outside.patterns import Pattern
from flakeship.registry.reference import TAG_PATTERN
from tests.metadata.computing import compute
from tests.metadata.events import NOW, SHA
from tests.metadata.javascript import answers

REPOSITORY = Repository("app", "octo/app", "An app", "https://github.com/octo/app", "MIT", "main")
CONTEXT = Context(NOW, NOW, event="push", ref="refs/tags/v1.2.3", sha=SHA, repository=REPOSITORY)
MAIN = replace(CONTEXT, ref="refs/heads/main")
GROUP = st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e"]), st.text(max_size=3))
FACTS = NixFacts("0c4m3ig4", "hello", "2.12", "A greeting", "https://gnu.org/hello", "GPL-3.0-or-later")


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ([], ["v1.2.3", "latest"]),
        (["octo/App"], ["octo/app:v1.2.3", "octo/app:latest"]),
        (["a/b,ghcr.io/c/d"], ["a/b:v1.2.3", "a/b:latest", "ghcr.io/c/d:v1.2.3", "ghcr.io/c/d:latest"]),
        (["name=localhost:5000/x", "y,enable=false"], ["localhost:5000/x:v1.2.3", "localhost:5000/x:latest"]),
        (["name=a/b,enable=false"], ["v1.2.3", "latest"]),
    ],
)
def test_every_tag_is_given_to_every_enabled_image(images: list[str], expected: list[str]) -> None:
    assert [tag.reference for tag in compute(CONTEXT, images=images).tags] == expected


def test_a_tag_names_the_rule_that_it_came_from() -> None:
    found = compute(CONTEXT, tags=["type=sha", "type=semver,pattern={{major}}"])
    assert [(tag.name, tag.rule) for tag in found.tags] == [
        ("1", "type=semver,pattern={{major}}"),
        ("sha-860c190", "type=sha"),
        ("latest", "flavor latest=auto"),
    ]


def test_facts_of_the_build_become_tags() -> None:
    rules = ["type=nix,value=hash", "type=nix,value=version,prefix=v", "type=nix,value=name"]
    assert compute(MAIN, tags=rules, nix=FACTS).names == ("0c4m3ig4", "v2.12", "hello")
    assert [outcome.reason for outcome in compute(MAIN, tags=rules).outcomes] == [
        "nothing has been built yet"
    ] * 3
    assert "has no version" in compute(MAIN, tags=rules, nix=NixFacts("h")).warnings[0]


def test_a_merge_request_has_a_prefix_of_its_own() -> None:
    merge = replace(CONTEXT, ref="refs/merge-requests/7/head")
    assert compute(merge, tags=["type=ref,event=mr", "type=ref,event=pr"]).names == ("mr-7", "pr-7")


def test_labels_come_in_groups_for_the_stamper() -> None:
    labels = compute(CONTEXT, labels=[f"{PREFIX}title=Mine", "a=b"], nix=FACTS).labels
    assert labels.user == {f"{PREFIX}title": "Mine", "a": "b"}
    assert labels.known == {
        f"{PREFIX}revision": SHA,
        f"{PREFIX}created": "2020-01-10T00:30:00.000Z",
        f"{PREFIX}version": "v1.2.3",
        f"{PREFIX}source": "https://github.com/octo/app",
        f"{PREFIX}url": "https://github.com/octo/app",
    }
    assert labels.described == {
        f"{PREFIX}title": "app",
        f"{PREFIX}description": "An app",
        f"{PREFIX}licenses": "MIT",
    }
    assert labels.flake[f"{PREFIX}licenses"] == "GPL-3.0-or-later"


def test_the_flakes_own_labels_lie_between_what_ci_knows_and_what_it_describes() -> None:
    own = {f"{PREFIX}title": "own", f"{PREFIX}version": "own", f"{PREFIX}vendor": "own"}
    laid = compute(CONTEXT, labels=[f"{PREFIX}vendor=user"], nix=FACTS).labels.over(own)
    assert laid[f"{PREFIX}title"] == "own"
    assert laid[f"{PREFIX}version"] == "v1.2.3"
    assert laid[f"{PREFIX}vendor"] == "user"
    assert laid[f"{PREFIX}description"] == "An app"


@given(GROUP, GROUP, GROUP, GROUP, GROUP)
def test_the_precedence_of_labels(user: Any, known: Any, own: Any, described: Any, flake: Any) -> None:
    laid = Labels(user, known, described, flake).over(own)
    for key in "abcde":
        groups = (user, known, own, described, flake)
        assert laid.get(key) == next((group[key] for group in groups if key in group), None)


def test_the_flake_says_what_ci_does_not_know() -> None:
    bare = Context(NOW, NOW)
    labels = compute(bare, tags=["type=sha"], nix=FACTS).labels.over({})
    assert labels == {
        f"{PREFIX}title": "hello",
        f"{PREFIX}version": "2.12",
        f"{PREFIX}description": "A greeting",
        f"{PREFIX}url": "https://gnu.org/hello",
        f"{PREFIX}licenses": "GPL-3.0-or-later",
        f"{PREFIX}created": "2020-01-10T00:30:00.000Z",
    }


def test_without_automatic_labels_only_the_users_are_left() -> None:
    found = compute(CONTEXT, labels=["a={{branch}}x"], auto_labels=False, nix=FACTS)
    assert found.labels.over({"own": "1"}) == {"own": "1", "a": "x"}
    assert found.annotations == ()


def test_created_is_the_images_own_time_where_given() -> None:
    for created in ("1980-01-01T00:00:00Z", "1970-01-01T00:00:01+00:00"):
        assert compute(CONTEXT, created=created).labels.known[f"{PREFIX}created"] == created
    assert f"{PREFIX}created" not in compute(CONTEXT, created="").labels.known


def test_a_dirty_tree_is_no_commit() -> None:
    found = compute(replace(MAIN, dirty=True), tags=["type=sha"])
    assert found.labels.known[f"{PREFIX}revision"] == f"{SHA}-dirty"


def test_annotations_go_to_the_levels_that_are_asked_for() -> None:
    found = compute(
        CONTEXT,
        annotations=["x=1", "index-descriptor:y=2", "a.b:c=3"][:2],
        labels=["l=9"],
        levels=["manifest", "index"],
    )
    placed = {note.key: note.levels for note in found.annotations}
    assert placed["x"] == ("manifest", "index")
    assert placed[f"{PREFIX}description"] == ("manifest", "index")
    assert found.annotations[-1] == Annotation(("index-descriptor",), None, "y", "2")
    assert "l" not in placed


def test_annotations_can_be_copied_from_labels() -> None:
    found = compute(
        CONTEXT, labels=["l=9", f"{PREFIX}title=T"], annotations=["l=10"], annotations_from_labels=True
    )
    pairs = dict(found.annotation_pairs)
    assert (pairs["l"], pairs[f"{PREFIX}title"]) == ("10", "T")


def test_a_version_that_is_none_is_told() -> None:
    found = compute(replace(CONTEXT, ref="refs/tags/v1"), tags=["type=semver,pattern={{version}}"])
    assert found.tags == ()
    assert found.warnings == (
        "type=semver,pattern={{version}}: 'v1' is no semantic version (https://semver.org)",
    )


def test_two_rules_with_one_tag_give_it_once_and_say_so() -> None:
    found = compute(MAIN, tags=["type=raw,value=x", "type=raw,value=x,priority=1"])
    assert found.names == ("x",)
    assert found.outcomes[1].reason == "type=raw,value=x gives x already"


BAD = [
    ("tags", "a\ntype=foo", "line 2, column 6: unknown type 'foo'", "write one of the types schedule, semver"),
    ("tags", "type=ref,event=push", "line 1, column 16: unknown event 'push'", "branch, tag, pr, mr"),
    ("tags", "type=ref", "line 1, column 1: type=ref needs event=", "write type=ref,event="),
    ("tags", "type=raw,vale=x", "line 1, column 10: unknown key 'vale'", "write one of the keys type"),
    ("tags", "type=raw", "type=raw needs value=", "type=raw,value="),
    ("tags", "type=nix,value=drv", "column 16: unknown value 'drv'", "hash, version, name"),
    ("tags", "type=sha,format=medium", "column 17: unknown format 'medium'", "short, long"),
    ("tags", "x,priority=high", "column 12: priority 'high' is not a number", "highest"),
    ("tags", "type=match,pattern=x,group=one", "column 28: group 'one' is not a number", "group in the pattern"),
    ("tags", "type=match,pattern=(", "column 20: pattern=( is not a regular expression", "JavaScript"),
    ("tags", "type=match,pattern=/x/q", "unknown flag 'q'", "JavaScript"),
    ("tags", "type=semver,pattern={{raw}},match=v", "column 35: match=v captures nothing", "parentheses"),
    ("tags", "\n\n  type=raw,value={{brunch}}", "line 3, column 18: {{brunch}} is not known here", "{{branch}}, {{tag}}"),
    ("tags", "type=raw,value=a{{branch", "column 17: {{ is opened here", "close it"),
    ("tags", "type=raw,value={{branch x y}}", "{{branch}} takes no arguments", "write {{branch}}"),
    ("tags", "type=raw,value={{date}}", "column 16: {{date}}: one format is needed", "{{date 'YYYYMMDD'}}"),
    ("tags", "type=raw,value={{date 'YYYY' tz='Mars/Base'}}", "unknown time zone 'Mars/Base'", "tz='Europe/Berlin'"),
    ("tags", "type=raw,value={{date 'YYYY' zone='UTC'}}", "unknown option 'zone'", "Moment.js"),
    ("tags", "type=raw,value={{date 'YYYY' tz=UTC}}", "a time zone needs quotes", "tz='Europe"),
    ("tags", "type=raw,value={{#each x}}{{/each}}", "the block {{#each}} is not known", "{{#if NAME}}"),
    ("tags", "type=raw,value={{#if tag}}x", "the block {{#if}} is never closed", "{{/if}}"),
    ("tags", "type=raw,value={{#if tag}}x{{/unless}}", "is closed by {{/unless}}", "{{/if}}"),
    ("tags", "type=raw,value={{#if tag}}x{{else if tag}}y{{/unless}}", "is closed by {{/unless}}", "{{/if}}"),
    ("tags", "type=raw,value={{#if tag}}x{{else each tag}}y{{/if}}", "the block {{#each}} is not known", "{{#if NAME}}"),
    ("tags", "type=raw,value={{}}", "{{}} is not an expression", "{{name}}"),
    ("tags", "type=raw,value={{date (x)}}", "'(x)' is not an argument", "single quotes"),
    ("tags", "type=raw,value=x,enable=maybe", "column 25: enable is 'maybe'", "{{is_default_branch}}"),
    ("tags", 'type=raw,value="x"', "column 16: a double quote may only enclose a whole field", "single quotes"),
    ("tags", 'type=raw,"value=x"y', "a double quote may only enclose a whole field", "single quotes"),
    ("tags", "type=sha,prefix=-", "the tag -860c190 begins with a dot or a dash", "prefix="),
    ("tags", "type=raw,value=" + "x" * 129, "has 129 characters, more than 128", "another value"),
    ("flavor", "latest=maybe", "flavor, line 1, column 8: latest is 'maybe'", "latest=auto|true|false"),
    ("flavor", "prefix=x,onlatest=1", "column 19: onlatest is '1'", "onlatest=true"),
    ("flavor", "prefix", "unknown entry in flavor 'prefix'", "prefix=TEXT"),
    ("flavor", "prefix={{nobody}}", "flavor, line 1, column 8: {{nobody}} is not known", "write one of"),
    ("images", "a/b\nnaem=x", "images, line 2, column 1: unknown key 'naem'", "name=REGISTRY/NAME"),
    ("images", "a/b,enable=yes", "column 12: enable is 'yes'", "enable=true|false"),
    ("images", "enable=true", "the image has no name", "name=REGISTRY/NAME"),
    ("images", "name=ghcr.io/a b", "column 6: 'ghcr.io/a b' is not an image name", "REGISTRY/NAME"),
    ("images", "ghcr.io/me/app:latest", "is not an image name", "write ghcr.io/me/app here, and the tag in `tags`: `tags: latest`"),
    ("images", "h:5000/me/App:1", "is not an image name", "write h:5000/me/App here"),
    ("labels", "a=1\nnonsense", "labels, line 2, column 1: a label must be KEY=VALUE", "one a line"),
    ("labels", "a={{x}}", "labels, line 1, column 3: {{x}} is not known", "write one of"),
    ("annotations", "nonsense", "annotations, line 1, column 1: an annotation must be KEY=VALUE", "one a line"),
    ("annotations", "index,foo:a=1", "annotations, line 1, column 7: unknown annotation level 'foo'", "manifest-descriptor"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "words", "hint"), BAD)
def test_bad_lines_are_named_with_input_line_and_column(name: str, text: str, words: str, hint: str) -> None:
    lines = parse_list(text, comma=False, comment="#")
    with pytest.raises(UsageError) as caught:
        evaluate(parse_inputs(**{name: lines}), CONTEXT)  # type: ignore[arg-type]
    assert caught.value.message.startswith(f"{name}, line ")
    assert words in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("branch", ["修复", "übung", "x" * 129])
def test_a_branch_that_is_no_tag_fails_nobody_who_asks_for_none(branch: str) -> None:
    """The references are full ones, or the image goes to a folder."""
    context = replace(CONTEXT, ref=f"refs/heads/{branch}")
    found = compute(context, labels=["branch={{branch}}"])
    assert not found.names
    assert found.labels.user["branch"] == branch
    assert any(outcome.reason.startswith("the tag ") for outcome in found.outcomes)
    with pytest.raises(UsageError, match="the tag "):
        compute(context, images=["a/b"])
    with pytest.raises(UsageError, match="the tag "):
        compute(context, tags=["type=ref,event=branch"])


def test_a_prefix_that_spoils_latest_is_an_error() -> None:
    with pytest.raises(
        UsageError, match=r"flavor, line 1, column 8: the tag \.latest is not a tag"
    ) as caught:
        compute(CONTEXT, tags=["type=ref,event=tag,prefix="], flavor=["prefix=.,onlatest=true"])
    assert "latest=false" in caught.value.hint


@given(st.text())
def test_sanitising_again_changes_nothing(text: str) -> None:
    assert sanitized(sanitized(text)) == sanitized(text)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.sampled_from(["refs/heads/", "refs/tags/", "refs/pull/"]),
    st.lists(
        st.sampled_from(
            [
                "type=sha",
                "type=ref,event=branch",
                "type=ref,event=tag",
                "type=ref,event=pr",
                "type=raw,value={{branch}}-x",
                "type=edge",
                "type=match,pattern=.*",
                "type=semver,pattern={{{raw}}}",
                "type=pep440,pattern={{version}}",
                "type=raw,value={{{tag}}}{{{branch}}},prefix=,suffix=",
            ]
        )
    ),
    st.sampled_from(
        ["latest=auto", "prefix={{{branch}}}", "suffix={{tag}},onlatest=true", "latest=true,prefix=."]
    ),
)
def test_every_tag_that_comes_out_is_one(name: str, kind: str, rules: list[str], flavor: str) -> None:
    try:
        found = compute(replace(CONTEXT, ref=kind + name), tags=rules, flavor=[flavor])
    except UsageError as error:
        words = error.message
        assert "begins with" in words or "more than 128" in words or "is not a tag that a registry" in words
    else:
        assert all(TAG_PATTERN.fullmatch(tag) for tag in found.names)
        given = [outcome.tag for outcome in found.outcomes if outcome.tag]
        assert len(set(given)) == len(given)


def test_labels_are_ordered_as_people_do() -> None:
    keys = ["b", "B", "a.b", "a-b", "a_b", "A.b", "ab", "aB", "1", "é"]
    assert sorted(keys, key=collation_key) == ["1", "a_b", "a-b", "a.b", "A.b", "ab", "aB", "b", "B", "é"]


LETTERS = (
    "".join(map(chr, range(1, 128))),
    "abz AZ.-_ äöüéèêñÄÖÜçåÅčžő\u2028\u2029",
    "az αβγΩδ ΓΔ.",
    "az абвгдеёжя АБ.",
)


def test_keys_are_ordered_as_javascript_orders_them() -> None:
    random = Random(13)
    lists = [
        ["".join(random.choices(letters, k=random.randint(1, 4))) for _ in range(300)] for letters in LETTERS
    ]
    others = ["z", "æ", "€", "日"]
    *theirs, their_others = answers("(...each) => each.sort((a, b) => a.localeCompare(b))", [*lists, others])
    assert [sorted(words, key=collation_key) for words in lists] == theirs
    # docs/metadata.md: other letters and signs are in the order of their numbers.
    assert (sorted(others, key=collation_key), their_others) == (others, ["€", "æ", "z", "日"])


def test_annotations_say_what_the_labels_of_the_image_will_say() -> None:
    own = {f"{PREFIX}title": "ours", f"{PREFIX}revision": "old", "team": "north"}
    found = compute(CONTEXT, labels=["a=b"], own=own)
    plain = dict(found.annotation_pairs)
    assert plain[f"{PREFIX}title"] == "ours"
    assert plain[f"{PREFIX}revision"] == CONTEXT.sha
    assert not {"team", "a"} & set(plain)
    copied = compute(CONTEXT, labels=["a=b"], own=own, annotations_from_labels=True)
    assert dict(copied.annotation_pairs) == copied.labels.over(own) == {**plain, "team": "north", "a": "b"}
    bare = compute(CONTEXT, labels=["a=b"], own=own, annotations_from_labels=True, auto_labels=False)
    assert dict(bare.annotation_pairs) == {**own, "a": "b"}


def test_a_colon_in_a_key_is_kept_and_said_unless_it_looks_like_a_level() -> None:
    found = compute(CONTEXT, annotations=["nowhere:a=b", "index:c=d"], auto_labels=False)
    assert found.annotation_pairs == (("nowhere:a", "b"),)
    assert [note.key for note in found.annotations_at_levels] == ["c"]
    assert found.warnings == ("annotations: 'nowhere' is not a level, so 'nowhere:a' is taken for the key",)
    for line in ("indx:a=b", "manifests:a=b", "manifest,indx:a=b", "x[linux/amd64]:a=b"):
        with pytest.raises(UsageError, match=r"annotations, line 1, column \d+: unknown annotation level"):
            compute(CONTEXT, annotations=[line])


EDGE = replace(MAIN, commit_date=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
FIRST = replace(MAIN, commit_date=datetime(1, 1, 1, tzinfo=UTC))


def test_a_date_beyond_the_calendar_is_an_error() -> None:
    """docs/metadata.md: JavaScript's years go on."""
    rule = "type=raw,value=x-{{commit_date 'YYYYMMDD' tz='%s'}}"
    assert compute(EDGE, tags=[rule % "America/New_York"]).names == ("x-99991231",)
    assert compute(FIRST, tags=[rule % "Asia/Tokyo"]).names == ("x-00010101",)
    for context, zone in ((EDGE, "Asia/Tokyo"), (FIRST, "America/New_York")):
        with pytest.raises(
            UsageError, match=f"in {zone} the date is before the year 1 or after 9999"
        ) as caught:
            compute(context, tags=[rule % zone])
        assert caught.value.message.startswith("tags, line 1, column 18: {{commit_date}}")


def test_letters_at_the_edges_of_the_calendar() -> None:
    letters = [
        "Y",
        "YY",
        "YYYY",
        "YYYYY",
        "YYYYYY",
        "M",
        "Q",
        "D",
        "DDD",
        "d",
        "w",
        "W",
        "gg",
        "gggg",
        "GG",
        "GGGG",
        "E",
        "e",
        "k",
        "h",
        "a",
        "X",
        "x",
        "Z",
        "z",
        "S",
        "SSS",
        "N",
        "y",
    ]
    for context in (EDGE, FIRST):
        for letter in letters:
            assert compute(context, tags=[f"type=raw,value=x-{{{{commit_date '{letter}'}}}}"]).names


def test_time_zones_are_those_of_the_locked_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneinfo.TZPATH", ("/nowhere",))
    rule = "type=raw,value={{date 'HHmm' tz='%s'}}"
    assert compute(MAIN, tags=[rule % "asia/TOKYO"]).names == ("0930",)
    for name in ("Nowhere/City", "../zones", "/etc/passwd", "", "Europe", "a" * 5000):
        with pytest.raises(UsageError, match="unknown time zone"):
            compute(MAIN, tags=[rule % name])


def test_a_pattern_that_takes_too_long_is_named(mocker: MockerFixture) -> None:
    mocker.patch.object(Pattern.__init__, "__kwdefaults__", {"seconds": 0.05})
    slow = replace(CONTEXT, ref=f"refs/tags/{'a' * 60}!")
    for rule in (
        "type=match,pattern=^(a|aa)+$",
        "type=semver,pattern=x,match=^(a|aa)+$",
        "type=pep440,pattern=x,match=^(a|aa)+$",
    ):
        with pytest.raises(
            UsageError, match=r"^tags, line 1, column \d+: (pattern|match)=.* takes more than"
        ) as caught:
            compute(slow, tags=[rule])
        assert "a repetition within a repetition" in caught.value.hint


@pytest.mark.parametrize(
    "version", ["9" * 5000, "1." * 5000 + "0", "1.0.0-" + "a." * 5000 + "a", "1!" + "1" * 5000, "v" * 9000]
)
@pytest.mark.parametrize("kind", ["semver", "pep440"])
def test_numbers_without_bound_are_no_versions_or_are(version: str, kind: str) -> None:
    found = compute(replace(CONTEXT, ref=f"refs/tags/{version}"), tags=[f"type={kind},pattern=x"])
    assert found.names in {(), ("x", "latest")}


def test_what_is_written_otherwise_stands_in_the_docs() -> None:
    """docs/metadata.md"""
    assert compute(MAIN, tags=["type=raw,value=x{{date 1}}"]).names == ("x1",)
    with pytest.raises(UsageError, match=r"\{\{branch\}\} takes no arguments"):
        compute(MAIN, tags=["type=raw,value={{branch 'x'}}"])
    assert not compute(replace(MAIN, ref="refs/heads/-n")).names
    with pytest.raises(UsageError, match="the tag -n begins with a dot or a dash"):
        compute(replace(MAIN, ref="refs/heads/-n"), tags=["type=ref,event=branch"])


def test_blanks_at_the_ends_are_those_of_javascript() -> None:
    texts = [f"{blank}type=raw,value=x{blank}" for blank in "\ufeff\u2028\u3000\xa0\v\f\t "]
    kept = ["a\x85", "a\x1c", "a\x1f"]
    theirs = answers("text => text.trim()", [[text] for text in (*texts, *kept)])
    assert theirs == ["type=raw,value=x"] * len(texts) + kept
    for text in texts:
        assert [line.text for line in parse_list(text, comma=False)] == ["type=raw,value=x"]
        assert compute(MAIN, tags=[text.replace(",", f" ,{text[0]}")]).names == ("x",)
    assert [parse_list(text)[0].text for text in kept] == kept
