"""Which lines of `tags` are references and which are rules, and what an image is called where nobody says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flakeship.commands.naming import Naming, levels_of, metadata_of, naming_of, split
from flakeship.errors import UsageError
from flakeship.events import Warned
from flakeship.metadata.context import NixFacts
from flakeship.metadata.labels import PREFIX
from flakeship.metadata.syntax.lists import parse_list
from flakeship.settings.declaration import Settings
from tests.metadata.test_engine import CONTEXT, FACTS, MAIN
from tests.runtimes import runtime

GITLAB = replace(MAIN, image="registry.example/group/app")


def unasked() -> NixFacts:
    pytest.fail("Nix is asked, and nothing needs it")


def named(context: Any = MAIN, **inputs: Any) -> Naming:
    return naming_of(Settings(**inputs), context, runtime=runtime(Path())[0], nix=unasked)


@pytest.mark.parametrize(
    ("text", "full", "rules"),
    [
        ("ghcr.io/o/n:1", ["ghcr.io/o/n:1"], []),
        ("o/n", ["o/n"], []),
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
    assert (list(lines.full), list(lines.rules)) == (full, rules)


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("\n  1.0", "tags, line 2, column 3: '1.0' is a tag without a name", "`images`"),
        ("x/y:1, 1.0", "tags, line 1, column 8: '1.0' is a tag without a name", "full reference"),
        ("ok/n:1\nghcr.io/UP:1", "tags, line 2, column 1: ", "With the name in `images`, case"),
        ("o/n:feature/x", "tags, line 1, column 1: 'feature/x' is not a tag", "slashes are no matter"),
        (
            "ghcr.io/o/n:{{sha}}",
            "tags, line 1, column 1: ghcr.io/o/n:{{sha}} is a reference with a",
            "images",
        ),
        ("type=nope", "tags, line 1, column 6: unknown type 'nope'", "Types are"),
        ('a\n a"b', "tags, line 2, column 3: a double quote", "single quotes"),
        ("host/x=1", "tags, line 1, column 1: unknown key 'host/x'", "A rule knows"),
    ],
)
def test_refused(text: str, words: str, hint: str) -> None:
    images = () if "without a name" in words else ("o/n",)
    with pytest.raises(UsageError) as caught:
        named(images=images, tags=parse_list(text, comma=False, comment="#"))
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
    naming = named(
        context, **{name: given if name == "load" else tuple(given) for name, given in inputs.items()}
    )
    assert list(naming.references) == expected


def test_a_variant_ends_every_tag() -> None:
    naming = naming_of(
        Settings(tags=("o/n", "o/n:1")), MAIN, runtime=runtime(Path())[0], nix=unasked, variant="-debug"
    )
    assert naming.references == ("o/n:latest-debug", "o/n:1-debug")


def test_nix_is_asked_for_its_tags_alone_and_its_answer_stays() -> None:
    tags = ("type=nix,value=hash", "type=sha")
    naming = naming_of(
        Settings(images=("o/n",), tags=tags), MAIN, runtime=runtime(Path())[0], nix=lambda: FACTS
    )
    assert naming.references == ("o/n:0c4m3ig4", "o/n:sha-860c190")
    marks = naming.marks(own={}, created="1970-01-01T00:00:01+00:00", nix=NixFacts())
    assert marks.version == "0c4m3ig4"
    assert marks.labels.known[f"{PREFIX}created"] == "1970-01-01T00:00:01+00:00"


def test_what_the_user_should_know_is_told_once_for_all_variants() -> None:
    where, told = runtime(Path())
    settings = Settings(images=("o/n",), tags=("type=semver,pattern={{version}},value=1.2", "1"))
    for variant in ("", "-debug"):
        naming_of(settings, MAIN, runtime=where, nix=unasked, variant=variant)
    (warning,) = told
    assert isinstance(warning, Warned)
    assert "'1.2' is no semantic version" in warning.text


def test_an_image_that_gets_no_tag_is_not_left_out_in_silence() -> None:
    none = Settings(images=("o/n",), tags=("type=semver,pattern={{version}}",))
    with pytest.raises(
        UsageError, match="no tag comes of the rules for o/n, so it can't be pushed"
    ) as caught:
        naming_of(none, MAIN, runtime=runtime(Path())[0], nix=unasked)
    assert "--explain" in caught.value.hint
    assert "`push: false`" in caught.value.hint
    for where in ({"push": "false"}, {"to": ("oci:x",)}, {"load": "docker"}):
        settings = replace(none, **where)
        assert naming_of(settings, MAIN, runtime=runtime(Path())[0], nix=unasked).references == ()


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
    assert levels_of(Settings(annotations_levels=inputs), environ, default=("manifest", "index")) == expected


@pytest.mark.parametrize(
    ("inputs", "name"), [((), "DOCKER_METADATA_ANNOTATIONS_LEVELS"), (("indx",), "annotations-levels")]
)
def test_an_unknown_level_is_named_with_where_it_was_written(inputs: tuple[str, ...], name: str) -> None:
    with pytest.raises(UsageError) as caught:
        levels_of(
            Settings(annotations_levels=inputs),
            {"DOCKER_METADATA_ANNOTATIONS_LEVELS": "indx"},
            default=("manifest",),
        )
    assert caught.value.message == f"{name}, line 1, column 1: unknown annotation level 'indx'"
    assert "manifest-descriptor" in caught.value.hint


def test_the_step_lists_what_metadata_action_lists_and_references_first() -> None:
    def found(**inputs: Any) -> list[str]:
        metadata = metadata_of(Settings(**inputs), MAIN, runtime=runtime(Path())[0], nix=unasked)
        assert metadata.levels == ("manifest",)
        return [tag.reference for tag in metadata.tags]

    assert found() == ["main"]
    assert found(tags=("type=sha", "1")) == ["1", "sha-860c190"]
    assert found(images=("o/n",), tags=("1", "x/y:2", "x/z")) == ["x/y:2", "x/z", "o/n:1"]
    assert found(images=("o/n",), tags=("x/y:2",)) == ["x/y:2"]
