"""Templates: what may be written in them, and how they are rendered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.errors import UsageError
from flakeship.metadata.syntax.handlebars import is_raw
from flakeship.metadata.syntax.lists import Placed
from flakeship.metadata.syntax.names import Names
from flakeship.metadata.syntax.templates import render

NAMES: Names = {
    "a": "<&'\"`=>",
    "b": 0,
    "empty": "",
    "join": lambda *words: "+".join(str(word) for word in words),
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain } text", "plain } text"),
        ("{{a}}", "&lt;&amp;&#x27;&quot;&#x60;&#x3D;&gt;"),
        ("{{{a}}}{{&a}}", "<&'\"`=><&'\"`=>"),
        ("{{b}}", "0"),
        ("x {{~b~}} y", "x0y"),
        (r"\{{b}} {{b}}", "{{b}} 0"),
        (r"\\{{b}}", "\\0"),
        ("{{! no }}{{!-- }} --}}x", "x"),
        ("{{join 'it\\'s' \"two\" 3 bare}}", "it&#x27;s+two+3+None"),
        ("{{#if b}}y{{else}}n{{/if}}{{#unless empty}}u{{/unless}}", "nu"),
        ("{{#if join}}x{{/if}}{{#unless b}}{{#if a}}1{{else}}2{{/if}}{{/unless}}", "1"),
        ("{{#if empty}}1{{else if a}}2{{else}}3{{/if}}{{#if empty}}1{{else if b}}2{{else}}3{{/if}}", "23"),
        ("{{#if a}}1{{else if a}}2{{/if}}{{#if empty}}1{{else unless a}}2{{^}}3{{/if}}", "13"),
        ("x {{~#if a~}} y {{~/if~}} z", "xyz"),
        ("{{#if empty}}{{else~}} n {{~/if}} {{#unless a~}} {{~else~}} m {{/unless~}} {{b}}", "n m 0"),
        ("{{this.b}}{{./b}}{{@root.b}}{{[b]}}", "0000"),
    ],
)
def test_templates_are_filled_in(template: str, text: str) -> None:
    assert render(Placed(template), NAMES) == text


@pytest.mark.parametrize(
    ("pattern", "raw"),
    [("{{raw}}", True), ("{{ raw }}", True), ("{{{raw}}}", True), ("{{raw}}x", False), ("{{version}}", False), ("raw", False), ("{{raw", False)],
)  # fmt: skip
def test_a_pattern_is_raw_or_not(pattern: str, raw: bool) -> None:
    assert is_raw(Placed(pattern)) is raw


@given(st.text(st.sampled_from("{}~#/!&'\"\\ ab=.")))
def test_any_text_is_rendered_or_refused_with_its_column(template: str) -> None:
    try:
        render(Placed(f"#{template}").part(1, template), NAMES)
    except UsageError as error:
        words = error.message
        assert words.startswith("column ")


@pytest.mark.parametrize(
    "template",
    [
        "{{date '" + "\\'" * 2000,
        '{{date "' + '\\"' * 2000 + "}",
        "{{date " + "'\\'" * 2000,
        "{{#if b}}" * 2000 + "{{/if}}" * 2000,
        "{{#if b}}" + "{{else if b}}" * 2000 + "{{/if}}",
        "{{#if b}}" * 2000,
    ],
    ids=["single", "double", "odd", "blocks", "else", "open"],
)
def test_a_template_of_any_depth_is_refused_in_time(template: str) -> None:
    with pytest.raises(UsageError, match=r"is opened here|a block stands within 64 others|no argument"):
        render(Placed(template, 1), NAMES)


def test_blocks_stand_within_others() -> None:
    assert render(Placed("{{#if b}}" * 64 + "x" + "{{/if}}" * 64), {**NAMES, "b": "1"}) == "x"
