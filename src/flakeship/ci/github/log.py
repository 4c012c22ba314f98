"""What GitHub's runner reads in a step's log: masks, groups, annotations; and which text must not be read as such.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions. Forgejo's and Gitea's runners, and act,
follow it.
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
_OBEYED: Final = re.compile(r"(?:\A|[\r\n])\s*::|##\[")
_SHORTEST_LINE: Final = 4
_PLACE: Final = re.compile(r"\bat (?P<path>[^\s:]+|«[^»]*»[^\s:]+):(?P<line>\d+)(?::(?P<col>\d+))?")
_SOURCE: Final = re.compile(r"^(?:/nix/store/[0-9a-z]{32}-source|«[^»]*»)/")


class CommandLog:
    """Takes events from any thread. What a builder prints is written while the runner obeys no command.

    So is any other text that looks like one: a label, an input, a line of a registry's answer. The runner obeys
    `::command::` behind any blanks, and `##[command]` anywhere in a line.
    """

    def __init__(self, out: TextIO, level: int) -> None:
        self._out, self._level, self._lock = out, level, threading.Lock()
        self._stopped = ""
        self._grouped = False

    def __call__(self, event: events.Event) -> None:
        with self._lock:
            match event:
                case events.StageStarted(title=title) if self._level >= LOG_LEVELS["info"]:
                    self._end_group()
                    self._command("group", title)
                    self._grouped = True
                case events.StageFinished():
                    self._text(event)
                    self._end_group()
                case events.Warned(text=text, hint=hint) if self._level >= LOG_LEVELS["warn"]:
                    self._command("warning", f"{text}\n{hint}".strip(), {"title": _TITLE})
                case events.Notice(text=text, prominent=True) if self._level >= LOG_LEVELS["info"]:
                    self._command("notice", text, {"title": _TITLE})
                case events.Secret(text=text):
                    self._mask(text)
                case _:
                    self._text(event)

    def fail(self, error: Error, place: Mapping[str, str]) -> None:
        with self._lock:
            self._write("\n".join(detail_of(error)), untrusted=True)
            self._command("error", f"{error.message}\n{error.hint}".strip(), {"title": _TITLE, **place})
            self._resume()

    def close(self) -> None:
        with self._lock:
            self._resume()
            self._end_group()

    def _text(self, event: events.Event) -> None:
        level, text = line_of(event)
        if text and level <= self._level:
            self._write(text, untrusted=isinstance(event, events.BuildLog))

    def _mask(self, secret: str) -> None:
        """Whole, and line by line: the log shows lines. A line like `{` would blacken half of the log."""
        for part in dict.fromkeys((secret, *secret.splitlines())):
            if part.strip() and (part == secret or len(part.strip()) >= _SHORTEST_LINE):
                self._command("add-mask", part, keep=True)

    def _write(self, text: str, *, untrusted: bool) -> None:
        if not text:
            return
        if (untrusted or "::" in text or "##[" in text) and not self._stopped:
            self._stopped = randomness.token_hex(16)
            text = f"::stop-commands::{self._stopped}\n{text}"
        self._out.write(f"{text}\n")
        self._out.flush()

    def _command(
        self,
        name: str,
        data: str = "",
        properties: Mapping[str, str] = MappingProxyType({}),
        *,
        keep: bool = False,
    ) -> None:
        self._resume()
        known = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
        shown = data if keep else printable_lines(data)
        self._out.write(f"::{name}{' ' if known else ''}{known}::{_data(shown)}\n")
        self._out.flush()

    def _resume(self) -> None:
        if self._stopped:
            self._out.write(f"::{self._stopped}::\n")
            self._out.flush()
            self._stopped = ""

    def _end_group(self) -> None:
        if self._grouped:
            self._command("endgroup")
            self._grouped = False


@contextlib.contextmanager
def open_log(
    out: TextIO, level: str, environ: Mapping[str, str], *, secrets: Sequence[str]
) -> Iterator[events.Emit]:
    """`Enable debug logging` of a run sets RUNNER_DEBUG: then all is said."""
    wanted = "debug" if environ.get("RUNNER_DEBUG") == "1" else level
    report = CommandLog(out, LOG_LEVELS[wanted])
    for secret in secrets:
        report(events.Secret(secret))
    try:
        yield report
    finally:
        report.close()


def report_failure(error: Error, out: TextIO, *, cwd: Path) -> None:
    """An annotation, at the line of the flake that Nix names, if it does."""
    CommandLog(out, LOG_LEVELS["error"]).fail(error, place_of(error, cwd))


def safe_on_stdout(text: str) -> str:
    """As the log does it; JSON, which programs read, says the same in other characters."""
    if not _OBEYED.search(text):
        return text
    if text.startswith(("{", "[")):
        return text.replace("##[", r"\u0023#[")
    token = randomness.token_hex(16)
    return f"::stop-commands::{token}\n{text}\n::{token}::"


def place_of(error: Error, cwd: Path) -> dict[str, str]:
    """The first place named by Nix that is a file of this repository: deeper ones are of nixpkgs."""
    for found in _PLACE.finditer(f"{error.message}\n{error.detail}"):
        with contextlib.suppress(OSError, ValueError):
            path = Path(os.path.realpath(cwd / _SOURCE.sub("", found["path"])))
            if path.is_file():
                name = str(path.relative_to(cwd.resolve()))
                return {"file": name, "line": found["line"], "col": found["col"] or ""}
    return {}


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
