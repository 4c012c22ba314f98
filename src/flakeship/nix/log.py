"""Nix's internal-json log: its activities and results, read into events and into what is told of a failure.

https://github.com/NixOS/nix/blob/master/src/libutil/include/nix/util/logging.hh
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from flakeship.events import BuildLog, BuildProgress, Emit
from flakeship.printable import printable_lines
from flakeship.store_paths import name_of_derivation

TAIL: Final = 25
_ERROR, _INFO = 0, 3
_BUILDS, _BUILD = 104, 105  # types of activities
_LOG_LINES, _PROGRESS = (101, 107), 105  # types of results


@dataclass(slots=True)
class Log:
    """Takes each line of stderr; afterwards `errors` and the `tails` of the builders' logs say why it failed.

    `rest` are the last lines that were not Nix's own, `spoken` is whether Nix said anything at all.
    """

    emit: Emit
    errors: list[str] = field(default_factory=list)
    tails: dict[str, deque[str]] = field(default_factory=dict)
    rest: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))
    spoken: bool = False
    _derivations: dict[int, str] = field(default_factory=dict)
    _builds: set[int] = field(default_factory=set)
    _progress: BuildProgress | None = None

    def take(self, line: bytes) -> None:
        """Read one line: `@nix {…}`, or what a program around nix prints."""
        text = line.decode(errors="replace")
        if text.startswith("@nix "):
            try:
                message = json.loads(text[5:])
                return self._message(message)
            except (ValueError, KeyError, TypeError, IndexError, AttributeError):
                pass  # a line of a builder may begin so too
        self.rest.append(printable_lines(text))
        return self.emit(BuildLog(text))

    def _message(self, message: dict[str, Any]) -> None:
        action, self.spoken = message["action"], True
        if action == "msg":
            self._said(message["msg"], message["level"])
        elif action == "start":
            self._started(message)
        elif action == "result":
            self._result(message["type"], message["id"], message["fields"])

    def _said(self, text: str, level: int) -> None:
        if level > _ERROR:
            self._say(text, level)
        elif not text.startswith("(use '--show-trace'"):
            self.errors.append(printable_lines(text))

    def _started(self, message: dict[str, Any]) -> None:
        if message["type"] == _BUILDS:
            self._builds.add(message["id"])
        if message["type"] == _BUILD:
            self._derivations[message["id"]] = message["fields"][0]
        self._say(message.get("text", ""), message["level"])

    def _result(self, kind: int, activity: int, fields: list[Any]) -> None:
        if kind in _LOG_LINES:
            self._line(self._derivations.get(activity, ""), fields[0])
        elif kind == _PROGRESS and activity in self._builds:
            progress = BuildProgress(*fields[:4])
            if progress != self._progress:
                self._progress = progress
                self.emit(progress)

    def _line(self, derivation: str, line: str) -> None:
        self.tails.setdefault(derivation, deque(maxlen=TAIL)).append(printable_lines(line))
        self.emit(BuildLog(f"{name_of_derivation(derivation)}> {line}" if derivation else line))

    def _say(self, text: str, level: int) -> None:
        if level <= _INFO:
            for line in text.splitlines():
                self.emit(BuildLog(line))
