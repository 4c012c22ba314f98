"""A word that is nearly another is told so, and a word that is far from all is not."""

from __future__ import annotations

import pytest

from flakeship.outside.nearness import nearest_word
from flakeship.settings.command_line import COMMANDS
from flakeship.settings.declaration import inputs

NAMES = [f"--{item.name}" for item in inputs()]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("--tagz", "--tags"),
        ("--tgas", "--tags"),
        ("--lables", "--labels"),
        ("--Label", "--labels"),
        ("platfrom", "--platforms"),
        ("--compresion", "--compression"),
        ("--annot", "--annotations"),
        ("--usernam", "--username"),
        ("--max-concurent-uplaods", "--max-concurrent-uploads"),
    ],
)
def test_near(word: str, expected: str) -> None:
    assert nearest_word(word, NAMES) == expected


@pytest.mark.parametrize(
    "word",
    [
        "--zzzzzz",
        "--tp",
        "--xy",
        "--cache",
        "--export",
        "--token",
        "--verify",
        "--region",
        "--foo",
        "--",
        "-",
        "",
    ],
)
def test_far(word: str) -> None:
    """Half of the letters of a short word are another word."""
    assert nearest_word(word, NAMES) == ""


@pytest.mark.parametrize("word", ["push", "build", "load", "copy", "run", "ship", "save", "login", "tag"])
def test_commands_of_other_tools_are_none_of_ours(word: str) -> None:
    assert nearest_word(word, COMMANDS) == ""


def test_the_nearest_of_several_wins() -> None:
    assert nearest_word("arm64", ["amd64x", "arm65", "arm"]) == "arm65"
    assert nearest_word("image", ["images-all", "imagine", "images"]) == "images"
    assert nearest_word("image", []) == ""


def test_every_name_is_nearest_to_itself() -> None:
    assert [name for name in NAMES if nearest_word(name, reversed(NAMES)) != name] == []
