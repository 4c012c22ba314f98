"""What is said of a build of which nothing is heard: when, and in which words."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from flakeship.events import Event, StillWaiting
from flakeship.nix.log import Log
from flakeship.nix.silence import Silence
from flakeship.report.plain import line_of
from tests.nix.samples import FAILS

OTHERS = [FAILS.replace("fails", name) for name in ("left", "right", "third", "fourth")]


class Scene:
    """A clock that moves when it is told to, and what was said."""

    def __init__(self, store: str = "") -> None:
        self.now = 1000.0
        self.events: list[Event] = []
        self.silence = Silence(Log(lambda _: None), self.events.append, store, lambda: self.now)

    def hear(self, message: Mapping[str, Any] | str) -> None:
        text = message if isinstance(message, str) else "@nix " + json.dumps(message, separators=(",", ":"))
        self.silence.take(text.encode())

    def start(self, drv: str, activity: int = 2, machine: str = "") -> None:
        self.hear(
            {
                "action": "start",
                "fields": [drv, machine, 1, 1],
                "id": activity,
                "level": 3,
                "text": "",
                "type": 105,
            }
        )

    def wait(self, minutes: float) -> str:
        """Let the time pass, and return what is said at its end."""
        before = len(self.events)
        self.now += 60 * minutes
        self.silence.due()
        return " ".join(event.text for event in self.events[before:] if isinstance(event, StillWaiting))


def test_what_is_waited_for_is_said_with_its_age_and_its_bounds() -> None:
    scene = Scene()
    scene.start(FAILS)
    scene.now += 1200
    scene.hear("a line of its log")
    assert not scene.wait(4.9)
    said = scene.wait(0.2)
    assert said.startswith(
        "nothing was heard of Nix for 5 minutes, and it builds fails (for 25 minutes); only `max-silent-time` or"
    )
    assert "`nix-config`" in said
    assert line_of(scene.events[-1])[1].startswith("waiting: nothing was heard")


@pytest.mark.parametrize(
    ("store", "machine"), [("ssh-ng://me@far?compress=true", ""), ("", "ssh-ng://me@far")]
)
def test_of_another_machine_its_name_and_its_own_settings_are_said(store: str, machine: str) -> None:
    scene = Scene(store)
    scene.start(FAILS, machine=machine)
    said = scene.wait(6)
    assert "it builds fails on me@far (for 6 minutes); only" in said
    assert "in nix.conf of that machine" in said
    assert "`nix-config`" not in said


def test_each_line_comes_after_twice_as_long_until_something_is_heard() -> None:
    scene = Scene()
    scene.start(FAILS)
    told = [minute for minute in range(1, 60) if scene.wait(1)]
    assert told == [5, 10, 20, 40]
    scene.hear("a line")
    assert [minute for minute in range(1, 12) if scene.wait(1)] == [5, 10]


def test_of_many_the_oldest_are_named() -> None:
    scene = Scene()
    for activity, drv in enumerate(OTHERS):
        scene.start(drv, activity)
        scene.now += 60
    scene.hear({"action": "stop", "id": 1})
    scene.start(FAILS, 9)
    said = scene.wait(5)
    assert "it builds left (for 9 minutes), third (for 7 minutes), fourth (for 6 minutes), 1 more; " in said


def test_where_nothing_is_built_no_setting_is_named() -> None:
    scene = Scene()
    assert "it builds nothing at the moment" in (said := scene.wait(5))
    assert "max-silent-time" not in said


def test_a_thread_tells_of_it_while_the_block_runs() -> None:
    told = threading.Event()
    hours = itertools.count(step=3600)
    silence = Silence(Log(lambda _: None), lambda _: told.set(), "", lambda: float(next(hours)))
    with silence.watched():
        assert told.wait(60)
    assert not [each for each in threading.enumerate() if each.name == "silence"]
