"""Completion of command lines, made from the declaration of inputs for bash, zsh and fish."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from flakeship.settings.command_line import COMMANDS, POSITIONAL, TAKES_WORDS, takes
from flakeship.settings.declaration import inputs
from flakeship.settings.fields import Input

_ENGINES: Final = ("docker-daemon:", "containers-storage:")
_PREFIXES: Final = {
    "to": ("oci:", "oci-archive:", "docker-archive:", *_ENGINES),
    "source": ("docker://", "oci:"),
}


@dataclass(frozen=True, slots=True)
class _Option:
    """An option of one command: its name with dashes, its words, and what its value may be."""

    name: str
    help: str
    takes: str
    """`nothing`, `file`, `choice`, `text`, or `place`: one of `choices` as the beginning of more, or a file."""
    choices: tuple[str, ...] = ()


def _options(command: str) -> Iterator[_Option]:
    for item in inputs():
        if takes(command, item) and not _is_positional(item, command):
            yield from _of(item)
    yield _Option("--help", "show the help and exit", "nothing")
    if command in TAKES_WORDS:
        yield _Option("--help-all", "show every input and exit", "nothing")


def _of(item: Input) -> Iterator[_Option]:
    words = re.split(r"[.:](?:\s|$)", item.help, maxsplit=1)[0]  # HOST:PORT stays whole
    if item.secret:
        yield _Option(f"--{item.name}-file", words, "file")
        if item.name == "password":
            yield _Option(f"--{item.name}-stdin", words, "nothing")
    elif item.kind == "choice":
        yield _Option(f"--{item.name}", words, "choice", item.choices)
    elif item.kind == "flag":
        yield _Option(f"--{item.name}", words, "choice", ("true", "false"))
    elif item.name in _PREFIXES:
        yield _Option(f"--{item.name}", words, "place", _PREFIXES[item.name])
    else:
        yield _Option(f"--{item.name}", words, "file" if item.kind == "path" else "text")


def _is_positional(item: Input, command: str) -> bool:
    return item.name in POSITIONAL.get(command, ())


def _words() -> dict[str, str]:
    """The words that a command takes without a flag, with blanks between; for commands that take any, none."""
    return {
        command: " ".join(item.choices)
        for command in COMMANDS
        for item in inputs()
        if _is_positional(item, command) and item.choices
    }


def bash() -> str:
    """A function for bash-completion, which needs nothing but bash."""
    cases = []
    for command in COMMANDS:
        names = " ".join(option.name for option in _options(command))
        by_value = [
            f"        {option.name}) COMPREPLY=($(compgen -W '{' '.join(option.choices)}' -- \"$word\")); return ;;"
            for option in _options(command)
            if option.takes == "choice"
        ]
        by_value += [
            f"        {option.name}) COMPREPLY=($(compgen -f -W '{' '.join(option.choices)}' -- \"$word\")); return ;;"
            for option in _options(command)
            if option.takes == "place"
        ]
        files = "|".join(option.name for option in _options(command) if option.takes == "file")
        if files:
            by_value.append(f'        {files}) COMPREPLY=($(compgen -f -- "$word")); return ;;')
        cases += [
            f"    {command})",
            "      case $before in",
            *by_value,
            "      esac",
            f"      options='{names}' ;;",
        ]
    by_word = [
        line
        for command, words in _words().items()
        for line in (
            f"  elif [[ ${{COMP_WORDS[1]}} == {command} ]]; then",
            f"    COMPREPLY=($(compgen -W '{words}' -- \"$word\"))",
        )
    ]
    return "\n".join(
        [
            "# Rendered from the declaration of inputs: source <(flakeship completion bash)",
            "_flakeship() {",
            "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} options=",
            "  # bash takes an equals sign for a word of its own",
            "  if [[ $word == = ]]; then",
            "    word=",
            "  elif [[ $before == = ]]; then",
            "    before=${COMP_WORDS[COMP_CWORD - 2]}",
            "  fi",
            "  if [[ $COMP_CWORD -eq 1 ]]; then",
            f"    COMPREPLY=($(compgen -W '{' '.join(COMMANDS)} --help --version' -- \"$word\"))",
            "    return",
            "  fi",
            "  case ${COMP_WORDS[1]} in",
            *cases,
            "  esac",
            "  if [[ $word == -* ]]; then",
            '    COMPREPLY=($(compgen -W "$options" -- "$word"))',
            *by_word,
            "  else",
            '    COMPREPLY=($(compgen -f -- "$word"))',
            "  fi",
            "}",
            "complete -o nospace -o bashdefault -F _flakeship flakeship",
            "",
        ]
    )


def zsh() -> str:
    """A function for zsh's completion system."""
    lines = [
        "#compdef flakeship",
        "# Rendered from the declaration of inputs: flakeship completion zsh",
        "_flakeship_place() {",
        "  local found=1",
        "  compadd -S '' -- \"$@\" && found=0",
        "  _files && found=0",
        "  return found",
        "}",
        "_flakeship() {",
    ]
    lines += ["  local -a commands", "  commands=("]
    lines += [f"    {_zsh(f'{command}:{text}')}" for command, text in COMMANDS.items()]
    lines += [
        "  )",
        "  if (( CURRENT == 2 )); then",
        "    if [[ $PREFIX == -* ]]; then",
        "      _arguments '--help[show the help and exit]' '--version[show the version and exit]'",
        "    else",
        "      _describe command commands",
        "    fi",
        "    return",
        "  fi",
    ]
    lines += ["  local command=$words[2]", "  shift words", "  (( CURRENT-- ))", "  case $command in"]
    for command in COMMANDS:
        lines += [f"    {command})", "      _arguments \\"]
        for option in _options(command):
            lines.append(
                f"        {_zsh(f'*{_zsh_name(option)}[{_zsh_words(option.help)}]{_zsh_value(option)}')} \\"
            )
        words = _words().get(command)
        rest = f"'*:argument:({words})'" if words else "'*:argument:_files'"
        lines += [f"        {rest}", "      ;;"]
    return "\n".join(
        [
            *lines,
            "  esac",
            "}",
            'if [[ $funcstack[1] == _flakeship ]]; then _flakeship "$@"; else compdef _flakeship flakeship; fi',
            "",
        ]
    )


def _zsh_name(option: _Option) -> str:
    """With an equals sign behind it the value may stand behind one, or in a word of its own."""
    return option.name if option.takes == "nothing" else f"{option.name}="


def _zsh_value(option: _Option) -> str:
    values = " ".join(choice.replace(":", "\\:") for choice in option.choices)
    return {
        "nothing": "",
        "file": ":file:_files",
        "text": ":value:",
        "choice": f":value:({values})",
        "place": f":value:{{_flakeship_place {values}}}",
    }[option.takes]


def _zsh_words(text: str) -> str:
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")


def _zsh(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def fish() -> str:
    """Lines of `complete` for fish."""
    lines = [
        "# Rendered from the declaration of inputs: flakeship completion fish | source",
        "# Whether the command is $argv, or not yet written; `__fish_seen_subcommand_from` looks at later words too.",
        "function __flakeship_command_is",
        "    set -l words (commandline -opc)",
        '    test "$words[2]" = "$argv"',
        "end",
    ]
    first = "complete -c flakeship -n __flakeship_command_is -f"
    lines += [f"{first} -a {command} -d {_fish(text)}" for command, text in COMMANDS.items()]
    lines += [
        f"{first} -l help -d 'show the help and exit'",
        f"{first} -l version -d 'show the version and exit'",
    ]
    for command in COMMANDS:
        seen = _fish(f"__flakeship_command_is {command}")
        for option in _options(command):
            choices = f" -a {_fish(' '.join(option.choices))}"
            value = {
                "nothing": "",
                "file": " -r -F",
                "text": " -x",
                "choice": f" -x{choices}",
                "place": f" -r -F{choices}",
            }[option.takes]
            lines.append(
                f"complete -c flakeship -n {seen} -l {option.name[2:]} -d {_fish(option.help)}{value}"
            )
    lines += [
        f"complete -c flakeship -f -n '__flakeship_command_is {command}' -a '{words}'"
        for command, words in _words().items()
    ]
    return "\n".join([*lines, ""])


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


COMPLETIONS: Final[dict[str, Callable[[], str]]] = {"bash": bash, "zsh": zsh, "fish": fish}
