"""At a shell prompt a message spells inputs as options, each of them as `read` takes it."""

from __future__ import annotations

import ast
import io
import re
import shlex
from pathlib import Path

import pytest

from flakeship.settings.arguments import read
from flakeship.settings.command_line import POSITIONAL
from flakeship.settings.declaration import inputs
from flakeship.settings.fields import Input
from flakeship.settings.spelling import as_options, as_words

SOURCES = Path(__file__).parents[2] / "src/flakeship"
OPTIONS = [item for item in inputs() if item.name not in POSITIONAL.values()]


@pytest.mark.parametrize("item", OPTIONS, ids=lambda item: item.name)
def test_every_input_becomes_an_option_that_is_taken(item: Input, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    value = {"flag": "false", "number": "1", "size": "1G", "choice": (item.choices or ("",))[0]}.get(
        item.kind, str(tmp_path / "secret") if item.secret else "some value = $x"
    )
    hit = re.fullmatch(r"write `(.*)`\.", as_options(f"write `{item.name}: {value}`."))
    assert hit
    words = shlex.split(hit[1])
    assert words == [f"--{item.name}-file" if item.secret else f"--{item.name}", value]
    assert read([item.commands[0], *words], {}, io.StringIO()).command == item.commands[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("set `push: false` where", "set `--push false` where"),
        ("name it with `images`, or", "name it with `--images`, or"),
        ("write `nix-config: access-tokens = H=T`", "write `--nix-config 'access-tokens = H=T'`"),
        ("give it as `source: /nix/store/x`", "give it as `--source /nix/store/x`"),
        ("needs `cachix-auth-token`", "needs `--cachix-auth-token-file`"),
        ("add pkgs.cacert to `contents`", "add pkgs.cacert to `contents`"),
        ("`packages: write` in the workflow", "`packages: write` in the workflow"),
        ("`docker login` before, `type=ref,event=branch`", "`docker login` before, `type=ref,event=branch`"),
    ],
)
def test_what_is_spelled_and_what_is_not(text: str, expected: str) -> None:
    assert as_options(text) == expected
    assert as_options(expected) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "tags, line 2, column 1: 'a b' is not an image reference: x",
            "REFERENCE: 'a b' is not an image reference: x",
        ),
        ("tags, line 1: 'x' is a tag without a name", "REFERENCE: 'x' is a tag without a name"),
        ("tags, line 2, column 6: unknown type 'foo'", "tags, line 2, column 6: unknown type 'foo'"),
        ("labels, line 1: x", "labels, line 1: x"),
    ],
)
def test_a_reference_is_a_word_and_has_no_line(text: str, expected: str) -> None:
    assert as_words(text) == expected


def test_every_message_marks_an_input_with_a_value() -> None:
    """A hint that says `set NAME: VALUE` without backticks would speak of a workflow at a shell prompt."""
    names = "|".join(item.name for item in OPTIONS)
    bare = re.compile(rf"(?:set|write|give|use|with) (?:{names}): \w")
    found = [
        f"{file.name}:{node.lineno}: {node.value}"
        for file in SOURCES.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and bare.search(node.value)
    ]
    assert not found
