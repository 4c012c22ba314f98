"""Completion in the real shells."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Final

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
        # as bash divides `--reuse=t`, `--reuse=` and `--to=oci`
        (["publish", "--reuse", "=", "t"], {"trust"}),
        (["publish", "--reuse", "="], {"trust", "verify", "off"}),
        (["publish", "--to", "=", "oci"], {"oci:", "oci-archive:"}),
    ],
)
def test_bash_offers_what_fits(words: list[str], expected: set[str]) -> None:
    assert completed(*words) == expected


def test_files_are_offered_where_one_is_taken(tmp_path: Path) -> None:
    (tmp_path / "auth.json").touch()
    for option in ("--authfile", "--source"):
        assert completed("publish", option, f"{tmp_path}/au") == {f"{tmp_path}/auth.json"}


_ZSH: Final = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "source $1"
zpty -r shell out '*<ready>*'
zpty -n -w shell "$2"$'\t'
zpty -r shell out '*<end>*'
print -r -- $out
zpty -d shell
"""

_OFFERS: Final = """
PROMPT=
[[ -z $OF_THE_SYSTEM ]] || fpath=($OF_THE_SYSTEM $fpath)
autoload -Uz compinit
compinit -u -D
[[ -n $OF_THE_SYSTEM ]] || source ./_flakeship
compadd() {
  if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\\ * ]]; then
    local -a offered
    builtin compadd -A offered "$@"
    (( ! $#offered )) || printf '<<%s>>' "${offered[@]}"
  fi
  builtin compadd "$@"
}
ended() { printf '<end''>' }
comppostfuncs=(ended)
bindkey '^I' complete-word
zle-line-init() { printf '<ready''>' }
zle -N zle-line-init
"""
"""Writes what zsh is about to offer: `compadd` gets it from every completion."""


def completed_by_zsh(line: str, folder: Path, of_the_system: str) -> set[str]:
    """What zsh offers behind `line`, from a completion that was sourced or that lies where zsh looks for them."""
    (folder / "_flakeship").write_text(COMPLETIONS["zsh"]())
    (folder / "offers.zsh").write_text(_OFFERS)
    (folder / "ask.zsh").write_text(_ZSH)
    environ = os.environ | {
        "HOME": str(folder),
        "ZDOTDIR": str(folder),
        "OF_THE_SYSTEM": of_the_system,
        "TERM": "dumb",
    }
    argv = ["zsh", "-f", "ask.zsh", "./offers.zsh", line]
    done = subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, check=True)
    return set(re.findall(r"<<(.*?)>>", done.stdout))


def completed_by_fish(line: str, folder: Path) -> set[str]:
    (folder / "flakeship.fish").write_text(COMPLETIONS["fish"]())
    script = f"source flakeship.fish; complete -C {shlex.quote(line)}"
    argv = ["fish", "--no-config", "-c", script]
    environ = os.environ | {"HOME": str(folder)}
    done = subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, check=True)
    assert not done.stderr
    return {offered.partition("\t")[0] for offered in done.stdout.splitlines()}


@pytest.mark.long
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("flakeship pu", {"publish"}),
        ("flakeship --", {"--help", "--version"}),
        ("flakeship publish --compression-", {"--compression-level"}),
        ("flakeship publish --reuse ", {"trust", "verify", "off"}),
        ("flakeship publish --reuse=t", {"trust"}),
        ("flakeship publish --to oci", {"oci:", "oci-archive:"}),
        ("flakeship publish --authfile au", {"auth.json"}),
        ("flakeship publish --source au", {"auth.json"}),
        ("flakeship publish au", {"auth.json"}),
        ("flakeship inspect layers --js", {"--json"}),
        ("flakeship completion f", {"fish"}),
        ("flakeship layers ", {"list", "prune"}),
        ("flakeship nothing --", set[str]()),
    ],
)
def test_zsh_and_fish_offer_what_fits(line: str, expected: set[str], tmp_path: Path) -> None:
    (tmp_path / "auth.json").touch()
    assert completed_by_zsh(line, tmp_path, "") == expected
    assert completed_by_zsh(line, tmp_path, str(tmp_path)) == expected
    before = line.rpartition(" ")[2].partition("=")
    assert completed_by_fish(line, tmp_path) == {
        f"{before[0]}={value}" if before[1] else value for value in expected
    }


@pytest.mark.parametrize("shell", sorted(COMPLETIONS))
def test_every_shell_knows_every_command_and_option(shell: str) -> None:
    text = COMPLETIONS[shell]()
    for command in COMMANDS:
        assert command in text
    for item in inputs():
        if item.name not in WITHOUT_FLAG:
            assert f"-{'l ' if shell == 'fish' else '-'}{item.name}" in text
