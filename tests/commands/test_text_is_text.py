"""Labels and annotations of `publish` are text: what metadata-action and `flakeship metadata` give arrives byte for byte."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.commands.naming import NamingRequest, naming_of
from flakeship.events import ignore
from flakeship.metadata import output
from flakeship.metadata.engine import Metadata
from flakeship.metadata.labels import PREFIX
from flakeship.metadata.syntax.lists import parse_lines, quoted_line
from flakeship.settings.arguments import read
from tests.metadata.computing import compute
from tests.metadata.test_engine import MAIN

DESCRIPTION = f"{PREFIX}description"

TEXTS = {
    "braces": "Renders {{ mustache }} templates",
    "a name that templates know": "Builds {{sha}} images",
    "braces of Helm": "{{- if .Values.x }} ${{ .Values }} {{/* c */}}",
    "braces without an end": "{{ x",
    "quotes": 'says "hello", "world"',
    "a quote behind a comma": 'a,"b",c',
    "a quote that is never closed": 'shells,"sh',
    "commas": "a,b,,c,",
    "line breaks": "one\ntwo\n\nthree",
    "a line break before what looks like a label": "see\nfoo=bar\nhttps://x/?a=b\nzzz=1",
    "a number sign": "one\ntwo # three",
    "blanks within": "a  b\tc = d",
    "a backslash and a dollar": r"\n $HOME %0A",
}


def published(labels: str, annotations: str = "") -> Metadata:
    argv = ["publish", "--tags", "o/n:1", "--labels", labels, "--annotations", annotations]
    settings = read(argv, {}, None).settings
    request = NamingRequest.of(settings, MAIN, {})
    return naming_of(request, emit=ignore, nix=lambda: pytest.fail("Nix is asked")).metadata


def docker_lines(values: Mapping[str, str], prefix: str = "") -> str:
    """The output of docker/metadata-action: no quotes."""
    return "\n".join(f"{prefix}{key}={value}" for key, value in values.items())


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("form", ["docker", "flakeship"])
def test_what_metadata_gives_arrives(text: str, form: str) -> None:
    host = MAIN.repository.__class__(
        **{name: getattr(MAIN.repository, name) for name in MAIN.repository.__dataclass_fields__}
        | {"description": text}
    )
    found = compute(
        MAIN.__class__(
            **{name: getattr(MAIN, name) for name in MAIN.__dataclass_fields__} | {"repository": host}
        )
    )
    labels = output.all_labels(found)
    assert labels[DESCRIPTION] == text
    given_ = docker_lines(labels) if form == "docker" else output.outputs(found)["labels"]
    annotations = (
        docker_lines(labels, "manifest:") if form == "docker" else output.outputs(found)["annotations"]
    )
    arrived = published(given_, annotations)
    assert {key: value for key, value in arrived.labels.user.items() if value} == {
        key: value for key, value in labels.items() if value
    }
    notes = {note.key: note.value for note in arrived.annotations_at_levels}
    assert notes == labels


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20))
def test_any_line_that_metadata_writes_is_read_back(value: str) -> None:
    line = f"key={value}"
    assert [each.text for each in parse_lines(f"a=1\n{quoted_line(line)}\nb=2")] == ["a=1", line, "b=2"]


def test_lines_around_what_metadata_action_gives_stay_labels() -> None:
    labels = output.all_labels(compute(MAIN))
    user = published(f"zebra=1\n{docker_lines(labels)}\na=2\nzoo=3").labels.user
    assert (user["zebra"], user["a"], user["zoo"]) == ("1", "2", "3")
    assert user[f"{PREFIX}version"] == labels[f"{PREFIX}version"]


def test_nothing_goes_on_over_lines_that_a_user_wrote() -> None:
    from flakeship.errors import UsageError

    with pytest.raises(UsageError, match="labels, line 2, column 1: a label must be KEY=VALUE") as caught:
        published("a=1\nsecond line")
    assert "in quotes" in caught.value.hint


def test_a_line_in_quotes_is_read_as_dockers_actions_read_it() -> None:
    assert published('"a=1, ""2""\n3 "\nb="x"\n# no label\n\n  c = {{sha}} ').labels.user == {
        "a": '1, "2"\n3 ',
        "b": '"x"',
        "c": " {{sha}}",
    }


def test_rules_of_tags_render_as_ever() -> None:
    settings = read(
        ["publish", "--images", "o/n", "--tags", "type=raw,value=x-{{branch}}", "--labels", "at={{branch}}"],
        {},
        None,
    ).settings
    naming = naming_of(NamingRequest.of(settings, MAIN, {}), emit=ignore, nix=lambda: pytest.fail("asked"))
    assert naming.references == ("o/n:x-main",)
    assert naming.metadata.labels.user == {"at": "{{branch}}"}
