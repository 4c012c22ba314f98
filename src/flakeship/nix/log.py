"""Nix's log in the format `internal-json`: emit it as events, and keep the lines that explain a failure.

https://github.com/NixOS/nix/blob/master/src/libutil/include/nix/util/logging.hh
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from flakeship.events import BuildLog, BuildProgress, DerivationBuilt, Emit, PathSubstituted
from flakeship.printable import printable_lines
from flakeship.store_paths import name_of_derivation

TAIL: Final = 25
_NOBODY: Final = "Failed to find a machine for remote build"
_ERROR, _INFO = 0, 3
_BUILDS, _BUILD, _SUBSTITUTE = 104, 105, 108  # types of activities
_LOG_LINES, _PROGRESS = (101, 107), 105  # types of results


@dataclass(slots=True)
class Log:
    """Reads the log line by line, and keeps what explains a failure.

    `errors` are Nix's error messages; `tails` are the last lines of each builder's log, by derivation path;
    `machines` are the stores, such as `ssh-ng://b1`, that the derivations were given to that others built;
    `nobody` is the last warning of what no machine builds; `other_lines` are the last lines that are not in Nix's format.
    """

    emit: Emit
    errors: list[str] = field(default_factory=list)
    tails: dict[str, deque[str]] = field(default_factory=dict)
    other_lines: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))
    nobody: deque[str] = field(default_factory=lambda: deque(maxlen=1))
    machines: dict[str, str] = field(default_factory=dict)
    _derivations: dict[int, str] = field(default_factory=dict)
    _running: dict[int, str] = field(default_factory=dict)
    _builds: set[int] = field(default_factory=set)
    _progress: BuildProgress | None = None

    @property
    def running(self) -> dict[str, str]:
        """The derivations that are being built, and the store of the machine where that is another one, else empty."""
        found: dict[str, str] = {}
        for activity, machine in self._running.copy().items():  # another thread may read lines
            drv = self._derivations[activity]
            found[drv] = machine or found.get(drv, "")
        return found

    @property
    def builds_began(self) -> bool:
        """Whether a derivation was begun."""
        return bool(self._derivations)

    def take(self, line: bytes) -> None:
        """Read one line of stderr: `@nix {…}`, or the text of a program that runs nix."""
        text = line.decode(errors="replace")
        if text.startswith("@nix "):
            try:
                message = json.loads(text[5:])
                return self._message(message)
            except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
                pass  # a builder may print a line that begins with `@nix ` too
        self.other_lines.append(printable_lines(text))
        return self.emit(BuildLog(text))

    def _message(self, message: dict[str, Any]) -> None:
        action = message["action"]
        if action == "msg":
            self._logged(message["msg"], message["level"])
        elif action == "start":
            self._started(message)
        elif action == "stop":
            self._stopped(message["id"])
        elif action == "result":
            self._result(message["type"], message["id"], message["fields"])

    def _logged(self, text: str, level: int) -> None:
        if level > _ERROR:
            self._emit_lines(text, level)
            if text.startswith(_NOBODY):
                self.nobody.append(printable_lines(text))
        elif not text.startswith("(use '--show-trace'"):
            self.errors.append(printable_lines(text))

    def _started(self, message: dict[str, Any]) -> None:
        if message["type"] == _BUILDS:
            self._builds.add(message["id"])
        if message["type"] == _BUILD:
            fields: list[Any] = [*message["fields"], ""]
            drv, machine = fields[:2]
            self._derivations[message["id"]] = drv
            self._running[message["id"]] = machine
            if machine:  # which tells of the same build once more, and has no name for itself
                self.machines[drv] = machine
        if message["type"] == _SUBSTITUTE:
            self.emit(PathSubstituted(*message["fields"][:2]))
        self._emit_lines(message.get("text", ""), message["level"])

    def _stopped(self, activity: int) -> None:
        if activity in self._running:
            self.emit(DerivationBuilt(self._derivations[activity], self._running.pop(activity)))

    def _result(self, kind: int, activity: int, fields: list[Any]) -> None:
        if kind in _LOG_LINES:
            self._builder_line(self._derivations.get(activity, ""), fields[0])
        elif kind == _PROGRESS and activity in self._builds:
            progress = BuildProgress(*fields[:4])
            if progress != self._progress:
                self._progress = progress
                self.emit(progress)

    def _builder_line(self, derivation: str, line: str) -> None:
        self.tails.setdefault(derivation, deque(maxlen=TAIL)).append(printable_lines(line))
        self.emit(BuildLog(f"{name_of_derivation(derivation)}> {line}" if derivation else line))

    def _emit_lines(self, text: str, level: int) -> None:
        if level <= _INFO:
            for line in text.splitlines():
                self.emit(BuildLog(line))
