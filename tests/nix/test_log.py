"""The format internal-json, read into events and into the lines that explain a failure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flakeship.events import BuildLog, BuildProgress, DerivationBuilt, Event, PathSubstituted
from flakeship.nix.log import TAIL, Log
from tests.nix.samples import BUILDER_FAILED, FAILS


def read(*lines: bytes | dict[str, Any]) -> tuple[Log, list[Event]]:
    events: list[Event] = []
    log = Log(events.append)
    for line in lines:
        log.take(line if isinstance(line, bytes) else b"@nix " + json.dumps(line).encode())
    return log, events


START_BUILDS = {"action": "start", "id": 1, "level": 0, "parent": 0, "text": "", "type": 104}
START_BUILD = {
    "action": "start",
    "fields": [FAILS, "", 1, 1],
    "id": 2,
    "level": 3,
    "parent": 0,
    "text": f"building '{FAILS}'",
    "type": 105,
}


def result(kind: int, *fields: Any, activity: int = 2) -> dict[str, Any]:
    return {"action": "result", "fields": list(fields), "id": activity, "type": kind}


def test_lines_of_a_builder_begin_with_its_name() -> None:
    _, events = read(START_BUILD, result(101, "one"), result(107, "hook"))
    assert events == [BuildLog(f"building '{FAILS}'"), BuildLog("fails> one"), BuildLog("fails> hook")]


def test_activities_of_nix_2_8_are_read() -> None:
    _, events = read(
        {key: value for key, value in START_BUILD.items() if key != "parent"}, result(101, "one")
    )
    assert events[-1] == BuildLog("fails> one")


def test_what_was_built_and_what_came_from_a_cache_is_told() -> None:
    taken = {
        "action": "start",
        "fields": ["/nix/store/x", "https://c"],
        "id": 7,
        "level": 3,
        "text": "",
        "type": 108,
    }
    _, events = read(START_BUILD, taken, {"action": "stop", "id": 7}, {"action": "stop", "id": 2})
    assert events[1:] == [PathSubstituted("/nix/store/x", "https://c"), DerivationBuilt(FAILS)]


def test_progress_counts_builds_and_is_emitted_when_it_changes() -> None:
    _, events = read(
        START_BUILDS,
        {"action": "start", "id": 3, "level": 0, "text": "", "type": 103},
        result(105, 0, 1, 0, 0, activity=1),
        result(105, 9, 9, 9, 9, activity=3),
        result(106, 101, 0, activity=1),
        result(105, 0, 1, 0, 0, activity=1),
        result(105, 0, 1, 1, 0, activity=1),
        {"action": "stop", "id": 1},
    )
    assert events == [BuildProgress(0, 1, 0, 0), BuildProgress(0, 1, 1, 0)]


@pytest.mark.parametrize(("level", "shown"), [(1, True), (3, True), (4, False), (6, False)])
def test_messages_are_shown_down_to_the_level_of_info(level: int, shown: bool) -> None:
    _, events = read({"action": "msg", "level": level, "msg": "first\nsecond"})
    assert events == ([BuildLog("first"), BuildLog("second")] if shown else [])


@pytest.mark.parametrize("version", BUILDER_FAILED)
def test_errors_are_kept_without_colours(version: str) -> None:
    log, events = read(
        {
            "action": "msg",
            "column": None,
            "file": None,
            "level": 0,
            "line": None,
            "msg": BUILDER_FAILED[version],
        },
        {"action": "msg", "level": 0, "msg": "(use '--show-trace' to show detailed location information)"},
    )
    assert events == []
    assert len(log.errors) == 1
    assert log.errors[0].startswith("error: ")
    assert FAILS in log.errors[0]
    assert "\x1b" not in log.errors[0]


def test_the_tail_of_each_builder_is_bounded() -> None:
    log, _ = read(START_BUILD, *(result(101, f"line {number}") for number in range(1000)))
    assert list(log.tails[FAILS]) == [f"line {number}" for number in range(1000 - TAIL, 1000)]


@pytest.mark.parametrize(
    "line",
    [
        b"plain text",
        b"@nix not json",
        b"@nix []",
        b"@nix 3",
        b'@nix {"action":"start"}',
        b'@nix {"action":"result","id":1,"type":105,"fields":[]}',
        b'@nix {"level":0}',
        b"caf\xe9 \xff",
    ],
)
def test_a_line_outside_the_format_is_a_line_of_the_log(line: bytes) -> None:
    log, events = read(START_BUILDS, line)
    assert events == [BuildLog(line.decode(errors="replace"))]
    assert list(log.other_lines) == [line.decode(errors="replace")]


def test_unknown_actions_and_results_are_ignored() -> None:
    assert read({"action": "dance"}, result(999, "x"))[1] == []
