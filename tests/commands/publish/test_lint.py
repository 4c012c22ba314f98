"""Lint in a run: what each mode says and refuses."""

from __future__ import annotations

import pytest

from flakeship import events
from flakeship.commands.publish.lint import Lint
from flakeship.errors import RejectedError
from flakeship.image.model import Layer
from tests.images import opener, random_packed

PACKED = random_packed(1)


def test_warn_tells_findings_once_and_rejects_nothing() -> None:
    heard: list[events.Event] = []
    lint = Lint("warn", heard.append)
    lint.check(PACKED)
    lint.check(PACKED)
    assert [type(event) for event in heard] == [events.Warned, events.Notice, events.Detail]
    warned, noticed, _ = heard
    assert isinstance(warned, events.Warned)
    assert warned.text.startswith("lint: command: ")
    assert "config.Entrypoint" in warned.hint
    assert isinstance(noticed, events.Notice)
    assert noticed.text.startswith("lint: root: ")


def test_strict_rejects_for_a_warning_with_all_of_them() -> None:
    with pytest.raises(RejectedError) as caught:
        Lint("strict", events.ignore).check(PACKED)
    assert caught.value.exit_code == 7
    assert caught.value.message == "lint rejects the image: command"
    assert "nothing says what to run" in caught.value.detail
    assert "`lint: warn`" in caught.value.hint


def test_off_looks_at_nothing() -> None:
    lint = Lint("off", events.ignore)
    layer = Layer("key", opener(b""), size=1)
    assert list(lint.watched(iter([layer]))) == [layer]
    lint.check(PACKED)
