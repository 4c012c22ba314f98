"""Inputs in messages are called as the user wrote them, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from flakeship.settings.spelling import as_written

CI = {"CI": "true"}
INPUTS = {"INPUT_TAGS": "x"}


@pytest.mark.parametrize(
    ("text", "argv", "environ", "written"),
    [
        ("set `tags`, or `debug: false`", ["publish", "x"], {}, "set `--tags`, or `--debug=false`"),
        ("give `platforms: a,b`", ["merge"], {}, "give `--platforms a,b`"),
        ("set `tags`", ["publish"], CI, "set `tags`"),
        ("set `tags`", ["publish"], INPUTS, "set `tags`"),
        ("set `tags`", ["publish", "--tags", "x"], CI, "set `--tags`"),
        ("tags: no", ["publish", "--tags", "x"], {}, "--tags: no"),
        ("tags, line 1, column 1: no", ["publish", "x", "-tx"], {}, "-t, line 1, column 1: no"),
        ("tags, line 1, column 1: no", ["publish", "x", "--tag=x"], {}, "--tag, line 1, column 1: no"),
        ("tags, line 2, column 1: no", ["publish", "x", "y", "z"], {}, "REFERENCE 2: no"),
        ("tags, line 1, column 12: no", ["publish", "x", "y"], {}, "REFERENCE 1, column 12: no"),
        (
            "tags, line 1, column 1: no",
            ["publish", "x"],
            {"FLAKESHIP_TAGS": "y"},
            "tags, line 1, column 1: no",
        ),
        ("tags, line 1, column 1: no", ["publish"], INPUTS, "tags, line 1, column 1: no"),
        ("tags: x becomes the tag y", ["publish", "x"], {}, "tags: x becomes the tag y"),
        ("set `username`", ["publish", "x"], {"FLAKESHIP_USERNAME": "y"}, "set FLAKESHIP_USERNAME"),
        ("set `username`", ["publish", "--username=x"], {"FLAKESHIP_USERNAME": "y"}, "set `--username`"),
        ("set `push: false`", ["publish", "x"], {"FLAKESHIP_PUSH": "true"}, "set `--push false`"),
        ("set `password`", ["publish", "x"], {}, "set FLAKESHIP_PASSWORD"),
        ("set `password`", ["publish"], CI, "set `password`"),
        (
            "`password` is wrong",
            ["publish", "x", "--password-file=y"],
            {},
            "`--password-file` is wrong",
        ),
        (
            "`password` is wrong",
            ["publish", "x", "--password-stdin"],
            {},
            "`--password-stdin` is wrong",
        ),
        # inputs of `publish`, of which `verify` has none
        ('publish it with `reuse: "off"`', ["verify", "x"], {}, "publish it with `--reuse off`"),
        (
            "publish it with `sign: key` and the key in `signing-key`",
            ["verify", "x"],
            {},
            "publish it with `--sign key` and the key in FLAKESHIP_SIGNING_KEY",
        ),
        ("set `reuse`", ["verify", "x"], {}, "set `reuse`"),
        # `image` is an input of `inspect` alone
        ("correct `image`", ["publish", "x"], {}, "correct `image`"),
        ("write `.#tags` if you meant that", ["publish", "x"], {}, "write `.#tags` if you meant that"),
    ],
)
def test_an_input_is_a_flag_where_the_command_was_typed(
    text: str, argv: list[str], environ: dict[str, str], written: str
) -> None:
    assert as_written(text, argv, environ) == written
