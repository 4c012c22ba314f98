"""What a command says first of itself is true: each example is read as it is typed, each input is there."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from flakeship.settings.arguments import read
from flakeship.settings.command_line import COMMANDS, WITHOUT_FLAG, takes
from flakeship.settings.declaration import Settings, inputs
from flakeship.settings.first_help import FIRST, GREETING, SHOWN


def said(*argv: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit) as ended:
        read(argv, {}, None)
    assert ended.value.code == 0
    return out.getvalue()


def examples(text: str) -> list[str]:
    """The lines that show a whole command, without what is said beside one."""
    lines = (line.strip().partition("     ")[0] for line in text.splitlines())
    return [
        line for line in lines if line.startswith(("flakeship publish ", "flakeship doctor ", "./result | "))
    ]


def asked(line: str) -> Settings:
    """The last command of a line with pipes, as a shell would start it."""
    program, *argv = shlex.split(line.rpartition("|")[2])
    assert program == "flakeship"
    return read(argv, {}, None).settings


@pytest.mark.parametrize("command", sorted(SHOWN))
def test_it_fits_a_small_terminal(command: str) -> None:
    for flag in ("--help", "-h"):
        lines = said(command, flag).splitlines()
        assert len(lines) <= 24
        assert max(map(len, lines)) <= 80
        assert "--help-all" in "".join(lines)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_without_a_usage_of_forty_lines(command: str) -> None:
    text = said(command, "--help")
    assert text.startswith(f"usage: flakeship {command}")
    assert COMMANDS[command].partition(",")[0] in " ".join(text.split())


def test_its_flags_are_those_that_there_are() -> None:
    known = {item.name: item for item in inputs()}
    assert set(FIRST) <= set(known)
    for name, (flag, _) in FIRST.items():
        if known[name].choices:
            assert flag == f"--{name} {'|'.join(known[name].choices)}"
        assert f"--{name}" in flag
    every = said("publish", "--help-all")
    assert all(f"--{item.name}" in every for item in inputs() if "publish" in item.commands)


@pytest.mark.parametrize("line", examples(GREETING + said("publish", "--help") + said("doctor", "--help")))
def test_an_example_is_read_as_it_is_typed(line: str) -> None:
    found = asked(line)
    whats = (found.flake != (".",)) + bool(found.source)
    assert whats == 1
    assert found.tags or found.to


@pytest.mark.parametrize("command", sorted(SHOWN))
def test_what_a_command_shows_is_what_it_takes(command: str) -> None:
    known = {item.name: item for item in inputs()}
    for name, (flag, _) in SHOWN[command].items():
        assert takes(command, known[name])
        assert f"--{name}" in flag
    every = said(command, "--help-all")
    assert all(
        f"--{item.name}" in every
        for item in inputs()
        if takes(command, item) and item.name not in WITHOUT_FLAG
    )
    for line in said(command, "--help").partition("examples:")[2].strip().splitlines():
        if command in {"inspect", "metadata"}:
            asked(line.strip())


def test_the_greeting_is_five_lines() -> None:
    lines = [line for line in GREETING.splitlines() if line]
    assert len(lines) == 5
    assert all(len(line) <= 88 for line in lines[1:])


def test_the_examples_are_found() -> None:
    assert len(examples(said("publish", "--help"))) == 4
    assert len(examples(GREETING)) == 2
    assert len(examples(said("doctor", "--help"))) == 1


@pytest.mark.parametrize("page", ["sources.md", "coming-from.md"])
def test_the_lines_of_the_docs_are_read_as_they_are_typed(page: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / page).read_text().replace("\\|", "|")
    quoted = re.findall(r"`([^`\n]*flakeship (?:publish|inspect) [^`\n]*)`", text)
    lines = [*quoted, *re.findall(r"^\$ (.*flakeship .*)$", text, re.MULTILINE)]
    for line in lines:
        started = line[line.index("flakeship ") :].partition("|")[0].replace("<(./result)", "/dev/fd/63")
        found = asked(started)
        assert found.flake != (".",) or found.source or found.image, line
    assert len(lines) > 5


def test_inputs_that_another_has_replaced_are_gone() -> None:
    """`platforms` and `override-platform` do what `platform` did, `rebuild` what `verify` did; digests are always checked."""
    names = {item.name for item in inputs()}
    assert not {"platform", "verify"} & names
    assert {"platforms", "override-platform", "rebuild"} <= names
