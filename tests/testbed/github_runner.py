"""How GitHub's runner reads a step's log and its file of outputs: the rules of ActionCommand.cs, ActionCommandManager.cs
and FileCommandManager.cs in https://github.com/actions/runner, which can't run here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

COMMANDS = {
    "add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice", "remove-matcher",
    "save-state", "set-env", "set-output", "warning",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Command:
    name: str
    data: str
    properties: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Runner:
    """`obeyed` are the commands that took effect, `shown` the lines that stand in the log."""

    obeyed: list[Command] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    stopped: str = ""

    def read(self, log: str) -> Runner:
        for line in re.split(r"\r\n|\r|\n", log):
            self._line(line)
        return self

    def named(self, name: str) -> list[Command]:
        return [command for command in self.obeyed if command.name == name]

    def _line(self, line: str) -> None:
        command = self._colons(line) or self._brackets(line)
        if self.stopped and command and command.name.lower() == self.stopped.lower():
            self.stopped = ""
        elif self.stopped or not command:
            self.shown.append(line)
        elif command.name.lower() == "stop-commands":
            assert command.data
            assert command.data not in COMMANDS
            self.stopped = command.data
        else:
            self.obeyed.append(command)

    def _known(self, name: str) -> bool:
        return name.lower() in COMMANDS | {"stop-commands", self.stopped.lower()} - {""}

    def _colons(self, line: str) -> Command | None:
        text = line.lstrip()
        end = text.find("::", 2)
        if not text.startswith("::") or end < 0:
            return None
        name, _, rest = text[2:end].partition(" ")
        if not self._known(name):
            return None
        pairs = (pair.partition("=") for pair in rest.strip().split(",") if pair)
        found = {
            key: _unescaped(value, {":": "%3A", ",": "%2C"})
            for key, equals, value in pairs
            if equals and value
        }
        return Command(name, _unescaped(text[end + 2 :]), found)

    def _brackets(self, line: str) -> Command | None:
        found = re.search(r"##\[([^\]]*)\](.*)", line)
        if not found or not self._known(found[1].partition(" ")[0]):
            return None
        return Command(found[1].partition(" ")[0], found[2])


def _unescaped(text: str, more: dict[str, str] | None = None) -> str:
    for token, written in {"\r": "%0D", "\n": "%0A", **(more or {}), "%": "%25"}.items():
        text = text.replace(written, token)
    return text


def outputs(text: str) -> dict[str, str]:
    """What the runner makes of the file that GITHUB_OUTPUT names. ValueError where it would fail the step."""
    lines = re.findall(r"([^\n]*?)(\r?\n|\Z)", text)
    found: dict[str, str] = {}
    position = 0
    while position < len(lines):
        line = lines[position][0]
        position += 1
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            key, _, value = line.partition("=")
        elif heredoc >= 0:
            key, _, delimiter = line.partition("<<")
            value, newline = "", ""
            while (inner := lines[position])[0] != delimiter:
                value, newline = value + newline + inner[0], inner[1]
                position += 1
            position += 1
        else:
            raise ValueError(line)
        found[key] = value
    return found
