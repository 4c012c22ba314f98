"""Writes the log of a step for GitHub's runner: masks, groups and annotations, and no command that is not ours.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions. The runners of Forgejo and Gitea, and act,
read the same commands.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets as randomness
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, TextIO

from flakeship import events
from flakeship.ci.local.log import detail_of
from flakeship.errors import Error
from flakeship.printable import printable_lines
from flakeship.report.plain import LOG_LEVELS, line_of

_TITLE: Final = "flakeship"
_COMMAND_PATTERN: Final = re.compile(r"(?:\A|[\r\n])\s*::|##\[")
_SHORTEST_MASK: Final = 4
"""Characters. A secret of several lines may have a line such as `{`, and masking that would hide half of the log."""

_POSITION: Final = re.compile(r"\bat (?P<path>[^\s:]+|«[^»]*»[^\s:]+):(?P<line>\d+)(?::(?P<col>\d+))?")
_SOURCE_FOLDER: Final = re.compile(r"^(?:/nix/store/[0-9a-z]{32}-source|«[^»]*»)/")


class CommandLog:
    """Writes events, from any thread. Commands are stopped before the output of a builder.

    They are stopped too before any other text that holds a command: a label, an input, the answer of a registry. The
    runner obeys `::command::` behind any blanks, and `##[command]` anywhere in a line.
    """

    def __init__(self, out: TextIO, level: int) -> None:
        self._out, self._level, self._lock = out, level, threading.Lock()
        self._stop_token = ""
        """While commands are stopped, the token that starts them again."""
        self._in_group = False

    def __call__(self, event: events.Event) -> None:
        with self._lock:
            match event:
                case events.StageStarted(title=title) if self._level >= LOG_LEVELS["info"]:
                    self._end_group()
                    self._command("group", title)
                    self._in_group = True
                case events.StageFinished():
                    self._text(event)
                    self._end_group()
                case events.Warned(text=text, hint=hint) if self._level >= LOG_LEVELS["warn"]:
                    self._command("warning", f"{text}\n{hint}".strip(), {"title": _TITLE})
                case events.NotPushed(text=text, expected=expected):
                    self._command("notice" if expected else "warning", text, {"title": _TITLE})
                case events.Secret(text=text):
                    self._mask(text)
                case _:
                    self._text(event)

    def fail(self, error: Error, position: Mapping[str, str]) -> None:
        """Write an error as an annotation. `position` has the properties `file`, `line` and `col`, or none."""
        with self._lock:
            self._write("\n".join(detail_of(error)), untrusted=True)
            self._command("error", f"{error.message}\n{error.hint}".strip(), {"title": _TITLE, **position})
            self._resume()

    def close(self) -> None:
        """Let the runner obey commands again, and end an open group."""
        with self._lock:
            self._resume()
            self._end_group()

    def _text(self, event: events.Event) -> None:
        level, text = line_of(event)
        if text and level <= self._level:
            self._write(text, untrusted=isinstance(event, events.BuildLog))

    def _mask(self, secret: str) -> None:
        """Mask the secret as a whole, and each of its lines, because the runner masks within lines."""
        for part in dict.fromkeys((secret, *secret.splitlines())):
            if part.strip() and (part == secret or len(part.strip()) >= _SHORTEST_MASK):
                self._command("add-mask", part, verbatim=True)

    def _write(self, text: str, *, untrusted: bool) -> None:
        if not text:
            return
        if (untrusted or "::" in text or "##[" in text) and not self._stop_token:
            self._stop_token = randomness.token_hex(16)
            # docs/decisions.md#log-commands-are-stopped-lazily
            text = f"::stop-commands::{self._stop_token}\n{text}"
        self._out.write(f"{text}\n")
        self._out.flush()

    def _command(
        self,
        name: str,
        data: str = "",
        properties: Mapping[str, str] = MappingProxyType({}),
        *,
        verbatim: bool = False,
    ) -> None:
        self._resume()
        known = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
        shown = data if verbatim else printable_lines(data)
        self._out.write(f"::{name}{' ' if known else ''}{known}::{_data(shown)}\n")
        self._out.flush()

    def _resume(self) -> None:
        if self._stop_token:
            self._out.write(f"::{self._stop_token}::\n")
            self._out.flush()
            self._stop_token = ""

    def _end_group(self) -> None:
        if self._in_group:
            self._command("endgroup")
            self._in_group = False


@contextlib.contextmanager
def open_log(
    out: TextIO, level: str, environ: Mapping[str, str], *, secrets: Sequence[str]
) -> Iterator[events.Emit]:
    """Write everything where RUNNER_DEBUG is 1, which "Enable debug logging" of a re-run sets."""
    wanted = "debug" if environ.get("RUNNER_DEBUG") == "1" else level
    report = CommandLog(out, LOG_LEVELS[wanted])
    for secret in secrets:
        report(events.Secret(secret))
    try:
        yield report
    finally:
        report.close()


def report_failure(error: Error, out: TextIO, *, cwd: Path, environ: Mapping[str, str]) -> None:
    """Write an annotation, at the line of the flake that Nix names, if it names one."""
    CommandLog(out, LOG_LEVELS["error"]).fail(error, position_in_flake(error, cwd))


def safe_on_stdout(text: str) -> str:
    """Stop commands around text that holds one. In JSON, which programs read, escape a character instead."""
    if not _COMMAND_PATTERN.search(text):
        return text
    if text.startswith(("{", "[")):
        return text.replace("##[", r"\u0023#[")
    token = randomness.token_hex(16)
    return f"::stop-commands::{token}\n{text}\n::{token}::"


def position_in_flake(error: Error, cwd: Path) -> dict[str, str]:
    """Return the first position named by Nix that is a file of this repository: deeper ones are in nixpkgs.

    The keys are the properties of an annotation; empty where there is no such position.
    """
    for found in _POSITION.finditer(f"{error.message}\n{error.detail}"):
        with contextlib.suppress(OSError, ValueError):
            path = Path(os.path.realpath(cwd / _SOURCE_FOLDER.sub("", found["path"])))
            if path.is_file():
                name = str(path.relative_to(cwd.resolve()))
                return {"file": name, "line": found["line"], "col": found["col"] or ""}
    return {}


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
