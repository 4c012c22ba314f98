"""Which lines of `tags` are references and which are rules, and what an image is called where nobody says."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flakeship.commands.naming import (
    METADATA_LEVELS,
    PUBLISH_LEVELS,
    Naming,
    NamingRequest,
    levels_of,
    metadata_of,
    naming_of,
    split,
)
from flakeship.destinations import registry
from flakeship.destinations.kind import Defaults
from flakeship.errors import UsageError
from flakeship.events import Emit, Event, Notice, Warned
from flakeship.metadata.context import NixFacts
from flakeship.metadata.labels import PREFIX
from flakeship.metadata.syntax.lists import parse_list
from flakeship.settings.declaration import Settings
from tests.metadata.computing import placed
from tests.metadata.test_engine import CONTEXT, FACTS, MAIN
from tests.settings.making import settings_of

GITLAB = replace(MAIN, image="registry.example/group/app")


def unasked() -> NixFacts:
    pytest.fail("Nix is asked, and nothing needs it")


def named(
    context: Any = MAIN,
    *,
    nix: Callable[[], NixFacts] = unasked,
    emit: Emit = lambda _: None,
    variant: str = "",
    **inputs: Any,
) -> Naming:
    request = NamingRequest.of(settings_of(**inputs), context, {})
    return naming_of(request, emit=emit, nix=nix, variant=variant)


@pytest.mark.parametrize(
    ("text", "full", "rules"),
    [
        ("ghcr.io/o/n:1", ["ghcr.io/o/n:1"], []),
        ("o/n", ["o/n"], []),
        ("docker://ghcr.io/o/n:1", ["ghcr.io/o/n:1"], []),
        ("docker://o/n:1,docker://h:5000/n,latest", ["o/n:1", "h:5000/n"], ["latest"]),
        ("n:1", ["n:1"], []),
        ("127.0.0.1:5000/n:1, o/n:2,latest", ["127.0.0.1:5000/n:1", "o/n:2"], ["latest"]),
        ("1.0,latest", [], ["1.0", "latest"]),
        ("type=raw,value=a/b:c", [], ["type=raw,value=a/b:c"]),
        ("value=a/b,enable=true", [], ["value=a/b,enable=true"]),
        ("priority=1,1.0", [], ["priority=1,1.0"]),
        ("Type=sha", [], ["Type=sha"]),
        ("v{{date 'HH:mm, YYYY/MM'}}", [], ["v{{date 'HH:mm, YYYY/MM'}}"]),
        ("a\n# no/tag:here\n\n  o/n:b  ", ["o/n:b"], ["a"]),
        (",", [], []),
    ],
)
def test_references_and_rules(text: str, full: list[str], rules: list[str]) -> None:
    lines = split(parse_list(text, comma=False, comment="#"))
    assert (list(lines.references), [rule.text for rule in lines.rules]) == (full, rules)


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("\n  1.0", "tags, line 2, column 3: '1.0' is a tag without a name", "`images`"),
        ("x/y:1, 1.0", "tags, line 1, column 8: '1.0' is a tag without a name", "full reference"),
        ("type=sha", "tags, line 1, column 1: 'type=sha' is a rule for tags without a name", "`images`"),
        (
            "ok/n:1\nUp/UP:1",
            "tags, line 2, column 1: ",
            "the name in `images`, where it may be in upper case",
        ),
        ("o/n:feature/x", "tags, line 1, column 1: 'feature/x' is not a tag", "makes a dash of a slash"),
        (
            "ghcr.io/o/n:{{sha}}",
            "tags, line 1, column 1: ghcr.io/o/n:{{sha}} is a full reference",
            "images",
        ),
        ("type=nope", "tags, line 1, column 6: unknown type 'nope'", "write one of the types"),
        ('a\n a"b', "tags, line 2, column 3: a double quote", "single quotes"),
        ("host/x=1", "tags, line 1, column 1: unknown key 'host/x'", "write one of the keys"),
    ],
)
def test_refused(text: str, words: str, hint: str) -> None:
    images = () if "without a name" in words else placed("o/n")
    settings = Settings(images=images, tags=parse_list(text, comma=False, comment="#"))
    with pytest.raises(UsageError) as caught:
        naming_of(NamingRequest.of(settings, MAIN, {}), emit=lambda _: None, nix=unasked)
    assert caught.value.message.startswith(words)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("context", "inputs", "expected"),
    [
        (MAIN, {}, []),
        (MAIN, {"images": ["o/n"]}, ["o/n:main"]),
        (CONTEXT, {"images": ["o/n"]}, ["o/n:v1.2.3", "o/n:latest"]),
        (MAIN, {"images": ["o/n"], "tags": ["x/y:1"]}, ["x/y:1"]),
        (MAIN, {"images": ["o/n"], "tags": ["x/y:1", "2"]}, ["x/y:1", "o/n:2"]),
        (MAIN, {"images": ["name=o/n,enable=false"], "tags": ["2"]}, []),
        (MAIN, {"images": ["o/n"], "flavor": ["latest=true,suffix=-x"]}, ["o/n:main-x", "o/n:latest"]),
        (MAIN, {"images": ["o/n"], "tags": ["latest"], "flavor": ["latest=true"]}, ["o/n:latest"]),
        (GITLAB, {}, ["registry.example/group/app:main"]),
        (GITLAB, {"tags": ["type=sha"]}, ["registry.example/group/app:sha-860c190"]),
        (GITLAB, {"images": ["o/n"]}, ["o/n:main"]),
        (GITLAB, {"tags": ["x/y:1"]}, ["x/y:1"]),
        (GITLAB, {"to": ["oci:there"]}, []),
        (GITLAB, {"load": "docker"}, []),
        (GITLAB, {"to": ["oci:there"], "tags": ["1"]}, ["registry.example/group/app:1"]),
    ],
)
def test_what_an_image_is_called(context: Any, inputs: dict[str, Any], expected: Sequence[str]) -> None:
    given: dict[str, Any] = {
        name: value if name == "load" else tuple(value) for name, value in inputs.items()
    }
    naming = named(context, **given)
    assert list(naming.references) == expected


def test_a_variant_ends_every_tag() -> None:
    assert named(tags=("o/n", "o/n:1"), variant="-debug").references == ("o/n:latest-debug", "o/n:1-debug")


def test_nix_is_asked_for_its_tags_alone_and_its_answer_stays() -> None:
    naming = named(images=("o/n",), tags=("type=nix,value=hash", "type=sha"), nix=lambda: FACTS)
    assert naming.references == ("o/n:0c4m3ig4", "o/n:sha-860c190")
    marks = naming.marks(own={}, created="1970-01-01T00:00:01+00:00", nix=NixFacts())
    assert marks.version == "0c4m3ig4"
    assert marks.labels.known[f"{PREFIX}created"] == "1970-01-01T00:00:01+00:00"
    assert marks.labels.flake[f"{PREFIX}title"] == "hello"


def test_an_image_is_marked_with_what_nix_knows_in_the_end() -> None:
    naming = named(images=("o/n",), labels=("at=main",))
    assert not naming.metadata.labels.flake
    marks = naming.marks(own={"own": "1"}, created="", nix=FACTS)
    assert marks.labels.flake[f"{PREFIX}title"] == "hello"
    assert marks.labels.user == {"at": "main"}
    assert f"{PREFIX}created" not in marks.labels.over({})


def test_what_the_user_should_know_is_told_once_for_all_variants() -> None:
    told: list[Event] = []
    for variant in ("", "-debug"):
        tags = ("type=semver,pattern={{version}},value=1.2", "1")
        named(images=("o/n",), tags=tags, emit=told.append, variant=variant)
    (warning,) = told
    assert isinstance(warning, Warned)
    assert "'1.2' is no semantic version" in warning.text


def test_a_tag_that_is_not_checked_out_is_named() -> None:
    on_main = replace(MAIN, ref="refs/heads/main", tags_at_head=("v1.2.3",))
    with pytest.raises(UsageError, match="the rules give no tag") as caught:
        named(on_main, images=("o/n",), tags=("type=semver,pattern={{version}}",))
    assert caught.value.hint.startswith("run `git checkout v1.2.3` for the tag of this commit")


def test_an_image_that_gets_no_tag_is_not_left_out_in_silence() -> None:
    none = functools.partial(named, images=("o/n",), tags=("type=semver,pattern={{version}}",))
    with pytest.raises(UsageError, match="the rules give no tag for o/n, so it can't be pushed") as caught:
        none()
    assert "--explain" in caught.value.hint
    assert '`push: "false"`' in caught.value.hint
    for found in (none(push="false"), none(to=("oci:x",)), none(load="docker")):
        assert found.references == ()


@pytest.mark.parametrize(
    ("inputs", "variable", "expected"),
    [
        ((), "", ("manifest", "index")),
        ((), "index", ("index",)),
        ((), " , ", ("manifest", "index")),
        (
            ("manifest-descriptor", "index[linux/arm64]"),
            "index",
            ("manifest-descriptor", "index[linux/arm64]"),
        ),
    ],
)
def test_levels(inputs: tuple[str, ...], variable: str, expected: tuple[str, ...]) -> None:
    environ = {"DOCKER_METADATA_ANNOTATIONS_LEVELS": variable}
    found = levels_of(settings_of(annotations_levels=inputs), environ, default=PUBLISH_LEVELS)
    assert tuple(map(str, found)) == expected


@pytest.mark.parametrize(
    ("inputs", "name"), [((), "DOCKER_METADATA_ANNOTATIONS_LEVELS"), (("indx",), "annotations-levels")]
)
def test_an_unknown_level_is_named_with_where_it_was_written(inputs: tuple[str, ...], name: str) -> None:
    with pytest.raises(UsageError) as caught:
        levels_of(
            settings_of(annotations_levels=inputs),
            {"DOCKER_METADATA_ANNOTATIONS_LEVELS": "indx"},
            default=PUBLISH_LEVELS,
        )
    assert caught.value.message == f"{name}, line 1, column 1: unknown annotation level 'indx'"
    assert "manifest-descriptor" in caught.value.hint


def test_the_step_lists_what_metadata_action_lists_and_references_first() -> None:
    def found(**inputs: Any) -> list[str]:
        request = NamingRequest.for_metadata(settings_of(**inputs), MAIN, {}, lambda _: None)
        metadata = metadata_of(request, emit=lambda _: None, nix=unasked)
        assert metadata.levels == METADATA_LEVELS
        return [tag.reference for tag in metadata.tags]

    assert found() == ["main"]
    assert found(tags=("type=sha", "1")) == ["1", "sha-860c190"]
    assert found(images=("o/n",), tags=("1", "x/y:2", "h.io/z")) == ["x/y:2", "h.io/z", "o/n:1"]
    assert found(images=("o/n",), tags=("x/y:2",)) == ["x/y:2"]


@pytest.mark.parametrize(
    ("line", "variable"),
    [
        ("ghcr.io/me/App:$CI_COMMIT_REF_SLUG", "$CI_COMMIT_REF_SLUG"),
        ("$CI_REGISTRY_IMAGE:1", "$CI_REGISTRY_IMAGE"),
        ("ghcr.io/me/app:${TAG}", "${TAG}"),
        ("ghcr.io/me/app:%TAG%", "%TAG%"),
    ],
)
def test_a_variable_that_was_not_filled_in_is_named(line: str, variable: str) -> None:
    with pytest.raises(UsageError) as caught:
        named(tags=(line,))
    assert caught.value.hint.startswith(f"check how {variable} is written, a variable that was not filled in")
    with pytest.raises(UsageError) as caught:
        named(images=(line.replace(":1", ""),))
    assert caught.value.hint.startswith(f"check how {variable} is written, a variable that was not filled in")


def test_a_name_that_is_switched_off_is_not_said_to_be_missing() -> None:
    told: list[Event] = []
    context = replace(MAIN, image="h.io/g/p", image_variable="CI_REGISTRY_IMAGE")
    named(context, emit=told.append, images=("h.io/g/p,enable=false",))
    (warned,) = told
    assert isinstance(warned, Warned)
    assert warned.text == "nothing is pushed: `enable=false` switches off all that `images` names"


def test_a_misspelt_rule_is_told_as_one_also_where_there_is_no_name() -> None:
    with pytest.raises(UsageError, match="unknown type 'semvr'"):
        named(tags=("type=semvr,pattern={{version}}",))


def test_two_hints_are_two_sentences() -> None:
    with pytest.raises(UsageError) as caught:
        named(tags=("Me/App:a/b",))
    assert "; or write the name in `images`, " in caught.value.hint


def test_a_reference_is_one_whether_skopeo_s_word_stands_before_it_or_not() -> None:
    assert named(tags=("docker://ghcr.io/o/n:1", "ghcr.io/o/n:1"), images=()).references == ("ghcr.io/o/n:1",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("docker://", "column 10: '' is not an image reference"),
        (
            "h/a:1,docker://docker://h/a:1",
            "column 16: 'docker://h/a:1' is not an image reference: it is a URL",
        ),
        ("docker://H/A:1", "a repository's name must be lower case"),
    ],
)
def test_what_stands_behind_skopeo_s_word_is_told_with_its_place(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        named(tags=(text,))
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ghcr.io/Me/App:Latest", "ghcr.io/me/app:Latest"),
        ("localhost/Me:1", "localhost/me:1"),
        ("me/App:1", "me/app:1"),
        ("App", "app"),
        ("127.0.0.1:5000/ME/a-B", "127.0.0.1:5000/me/a-b"),
        ("ghcr.io/me/app:1", "ghcr.io/me/app:1"),
    ],
)
def test_an_owner_with_capitals_is_written_in_lower_case_and_told_of(written: str, read: str) -> None:
    """`tags: ghcr.io/${{ github.repository }}:latest` stands in the docs; owners on GitHub may have capitals."""
    told: list[Event] = []
    settings = Settings(tags=parse_list(f"docker://{written}", comma=False, comment="#"))
    found = naming_of(NamingRequest.of(settings, MAIN, {}), emit=told.append, nix=unasked)
    assert [text.partition(":")[0] for text in found.references] == [read.partition(":")[0]]
    said = [event.text for event in told if isinstance(event, Notice)]
    assert [text.startswith(f"{written} is read as {read}: ") for text in said] == [True] * (written != read)
    places = [registry.parse(f"docker://{text}", Defaults(cwd=Path())) for text in (written, read)]
    assert places[0] == places[1]
    varied = [registry.with_suffix(f"docker://{text}", "-debug") for text in (written, read)]
    assert varied[0] == varied[1]


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"tags": "my tag!"}, "my tag! becomes the tag my-tag-"),
        ({"tags": "type=raw,value=a/b"}, "a/b becomes the tag a-b"),
        ({"tags": "type=sha,prefix=of commit "}, "becomes the tag of-commit"),
        ({"tags": "v1", "flavor": "suffix=+x"}, "v1+x becomes the tag v1-x"),
        ({"tags": "v1", "labels": "a=1\na=2\nb=1\nb=1"}, "labels: a has several values"),
        ({"tags": "v1", "annotations": "index:a=1\nindex:a=2"}, "annotations: index:a has several values"),
        ({"tags": "type=raw,value={{branch}} x"}, "a/b x becomes the tag a-b-x"),
        ({"tags": "type=raw,value={{branch}}"}, ""),
        ({"tags": "type=raw,value={{date 'YYYY/MM'}}-{{#if branch}}x{{/if}}"}, ""),
        ({"tags": "type=ref,event=branch"}, ""),
        ({"tags": "v1.0", "labels": "a=1"}, ""),
    ],
)
def test_what_is_not_taken_as_it_is_written_is_told(inputs: dict[str, Any], told: str) -> None:
    """Not so what comes of a branch or a template: there dashes are what the rule is for."""
    events: list[Event] = []
    branch = replace(MAIN, ref="refs/heads/a/b")
    named(
        branch,
        emit=events.append,
        images=["ghcr.io/me/app"],
        **{key: text.split("\n") for key, text in inputs.items()},
    )
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert len(notices) == bool(told)
    assert told in "".join(notices)


@pytest.mark.parametrize("text", ["feature/x", "release/2026/autumn"])
@pytest.mark.parametrize(("context", "more"), [(MAIN, {"images": ["ghcr.io/me/app"]}), (GITLAB, {})])
def test_a_branch_is_not_pushed_to_a_repository_of_that_name(text: str, context: Any, more: Any) -> None:
    with pytest.raises(UsageError, match=f"tags, .*'{text}' may be a branch") as caught:
        named(context, tags=[text], **more)
    assert f"docker.io/{text}:latest" in caught.value.hint


@pytest.mark.parametrize(
    "text", ["docker.io/feature/x", "feature/x:1", "localhost/x", "host:5000/x", f"a/b@sha256:{'0' * 64}"]
)
def test_a_whole_reference_beside_images_is_one(text: str) -> None:
    assert text in named(tags=[text], images=["ghcr.io/me/app"]).references[0]


def test_a_reference_of_docker_hub_may_be_short_where_nothing_else_names_the_image() -> None:
    assert named(tags=["me/app"]).references == ("me/app",)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("pr-%!f(<nil>)", "%!f(<nil>)"),
        ("type=raw,value=pr-<nil>", "<nil>"),
        ("type=sha,prefix=<no value>-", "<no value>"),
        ("pr-[object Object]", "[object Object]"),
        ("$TAG", "$TAG"),
        ("v1-${TAG}", "${TAG}"),
        ("v1-$(Build.BuildId)", "$(Build.BuildId)"),
        ("v1-%TAG%", "%TAG%"),
        ("type=raw,value={{branch}}-$TAG", "$TAG"),
    ],
)
def test_what_is_left_of_a_variable_is_no_tag(line: str, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        named(images=["ghcr.io/me/app"], tags=[line])
    assert f"{part} in {line} is what is left of a value that is missing" in caught.value.message
    assert caught.value.hint.startswith("check ")
    off = f"type=raw,value={line},enable=false"
    if "=" not in line:
        assert named(images=["ghcr.io/me/app"], tags=["1", off]).references == ("ghcr.io/me/app:1",)
