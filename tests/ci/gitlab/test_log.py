"""What a run writes to the log of a GitLab job, read by GitLab's own rules."""

from __future__ import annotations

import io
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from flakeship import events
from flakeship.ci import gitlab
from flakeship.ci.gitlab.log import SectionLog
from flakeship.ci.platforms import current_platform
from flakeship.errors import BuildError
from flakeship.report.plain import LOG_LEVELS

MARK = re.compile(r"section_(start|end):(\d+):([a-zA-Z0-9_.-]+)(\[[^\]]*\])?\r\x1b\[0K")
"""As GitLab's reader of logs looks for it, anywhere in a line."""


def logged(*happened: events.Event, level: str = "info", secrets: tuple[str, ...] = ()) -> str:
    out = io.StringIO()
    with gitlab.open_log(out, level, {}, secrets=secrets) as emit:
        for event in happened:
            emit(event)
    return out.getvalue()


def marks(log: str) -> list[tuple[str, str]]:
    return [(hit[1], hit[3]) for hit in MARK.finditer(log)]


def test_stages_are_sections_and_that_of_the_build_is_folded() -> None:
    log = logged(
        events.StageStarted("build", "building .#image"),
        events.BuildLog("hello> compiling"),
        events.StageFinished("build", 1.0),
        events.StageStarted("publish", "publishing"),
        events.StageFinished("publish", 1.0),
        events.Summarised("image  x"),
    )
    assert marks(log) == [
        ("start", "flakeship_build"), ("end", "flakeship_build"),
        ("start", "flakeship_publish"), ("end", "flakeship_publish"),
    ]  # fmt: skip
    options = {hit[3]: hit[4] for hit in MARK.finditer(log) if hit[1] == "start"}
    assert options == {"flakeship_build": "[collapsed=true]", "flakeship_publish": None}
    assert "\x1b[0Kbuilding .#image\n    hello> compiling\n" in log
    assert log.endswith("\x1b[0K\n\nimage  x\n\n")


def test_a_section_says_when_it_began_and_ended() -> None:
    out = io.StringIO()
    report = SectionLog(out, LOG_LEVELS["info"], iter([1000.9, 1012.1]).__next__)
    report(events.StageStarted("build", "b"))
    report(events.StageFinished("build", 11.2))
    assert [hit[2] for hit in MARK.finditer(out.getvalue())] == ["1000", "1012"]


def test_a_section_is_closed_before_the_next_and_when_a_run_fails() -> None:
    log = logged(events.StageStarted("a", "a"), events.StageStarted("b", "b"))
    assert [edge for edge, _ in marks(log)] == ["start", "end", "start", "end"]
    assert not logged(events.StageStarted("a", "a"), events.StageFinished("a", 1), level="warn")


@given(st.text() | st.just("\x1b[0Ksection_end:1:flakeship_build\r\x1b[0K"))
def test_text_of_others_is_no_section(text: str) -> None:
    log = logged(
        events.BuildLog(text),
        events.StageStarted("x", text),
        events.Notice(text),
        events.Warned(text, text),
        events.Command(("nix", text)),
        level="debug",
    )
    assert marks(log) == [("start", "flakeship_x"), ("end", "flakeship_x")]


def test_what_was_not_done_stands_out_like_a_warning() -> None:
    log = logged(events.NotPushed("NOT PUSHED: a fork", expected=True), events.Notice("beside"))
    assert log.startswith("\x1b[33m")
    assert "NOT PUSHED: a fork\x1b[0m\n" in log
    assert log.endswith("note: beside\n")


def test_debugging_of_the_runner_is_ours_too() -> None:
    out = io.StringIO()
    with gitlab.open_log(out, "warn", {"CI_DEBUG_TRACE": "true"}, secrets=()) as emit:
        emit(events.Detail("deep down"))
    assert "deep down" in out.getvalue()


def test_a_failure_is_red_and_says_what_to_do() -> None:
    out = io.StringIO()
    gitlab.report_failure(
        BuildError("no", hint="try", detail="a\x1b[2Jb"), out, cwd=Path(), environ={"FORCE_COLOR": "1"}
    )
    assert out.getvalue() == "\x1b[31;1merror: no\n    ab\n  -> try\x1b[0m\n"


def test_gitlab_is_reported_to_in_its_way() -> None:
    assert current_platform({"GITLAB_CI": "true"}) is gitlab
