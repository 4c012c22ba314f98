"""Completion in a real bash; the files for zsh and fish hold the same options."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from flakeship.settings.command_line import COMMANDS, WITHOUT_FLAG
from flakeship.settings.completion import COMPLETIONS
from flakeship.settings.declaration import inputs


def completed(*words: str) -> set[str]:
    """What bash offers for the last word."""
    script = f"""{COMPLETIONS["bash"]()}
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_flakeship
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    argv = ["bash", "--norc", "-c", script, "bash", "flakeship", *words]
    return set(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pu"], {"publish"}),
        (["publish", "--compression-"], {"--compression-level"}),
        (["publish", "--reuse", ""], {"trust", "verify", "off"}),
        (["publish", "--dry-run", "t"], {"true"}),
        (["publish", "--to", "oci"], {"oci:", "oci-archive:"}),
        (["publish", "--pass"], {"--pass-env", "--password-file", "--password-stdin"}),
        (["inspect", "--js"], {"--json"}),
        (["completion", "f"], {"fish"}),
        (["layers", ""], {"list", "prune"}),
        (["layers", "--l"], {"--layer-cache", "--layer-cache-size", "--log-level"}),
        (["nothing", "--"], set[str]()),
    ],
)
def test_bash_offers_what_fits(words: list[str], expected: set[str]) -> None:
    assert completed(*words) == expected


def test_files_are_offered_where_one_is_taken(tmp_path: Path) -> None:
    (tmp_path / "auth.json").touch()
    assert completed("publish", "--authfile", f"{tmp_path}/au") == {f"{tmp_path}/auth.json"}


@pytest.mark.parametrize("shell", sorted(COMPLETIONS))
def test_every_shell_knows_every_command_and_option(shell: str) -> None:
    text = COMPLETIONS[shell]()
    for command in COMMANDS:
        assert command in text
    for item in inputs():
        if item.name not in WITHOUT_FLAG:
            assert f"-{'l ' if shell == 'fish' else '-'}{item.name}" in text
