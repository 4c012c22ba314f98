"""Plain lines for a log, and moving lines on a terminal."""

from __future__ import annotations

import io
import os
import pty
import threading

import pytest

from flakeship import events, report
from flakeship.report.plain import LOG_LEVELS, PlainReport, line_of, size_of

ALL: list[events.Event] = [
    events.Started("1.2.3"),
    events.StageStarted("build", "building .#image"),
    events.BuildLog("hello [bold]there"),
    events.StageStarted("publish", "publishing /tmp/[/x]/image.tar"),
    events.BuildProgress(1, 2, 1, 0),
    events.Command(("nix", "build", "a b")),
    events.LayerProgress("key", "reading"),
    events.LayerProgress("key", "packed", 1500, "sha256:" + "a" * 64),
    events.LayerProgress("key", "uploaded", 1500, "sha256:" + "a" * 64, "ghcr.io/o/n"),
    events.LayerDelivered("sha256:" + "a" * 64, 1500, ("uploaded",), ("ghcr.io/o/n",)),
    events.LayersAwaited(1),
    events.BytesAwaited("read", 5_000_000),
    events.BytesMoved("read", 5_000_000),
    events.BytesMoved("piped", 5_000_000),
    events.BytesAwaited("sent", 1500),
    events.Retry("upload", "reset", 1, 0.5),
    events.Notice("a note"),
    events.Warned("a warning", "do this"),
    events.NotPushed("NOT PUSHED: so", expected=True),
    events.Secret("hunter2"),
    events.Detail("a detail"),
    events.StageFinished("build", 1.25),
]


def shown(level: str) -> str:
    out = io.StringIO()
    with report.opened(out, level, {}) as emit:
        for event in ALL:
            emit(event)
    return out.getvalue()


def test_each_level_shows_its_own_lines_and_those_of_lower_levels() -> None:
    assert shown("error") == "note: NOT PUSHED: so\n"
    assert shown("warn").splitlines() == [
        "upload failed, and is tried again in 0.5 s (retry 1): reset", "warning: a warning", "  -> do this", "note: NOT PUSHED: so",
    ]  # fmt: skip
    info, debug = shown("info"), shown("debug")
    assert info.startswith("flakeship 1.2.3\n")
    assert "==> building .#image\n    hello [bold]there\n" in info
    assert "    aaaaaaaaaaaa     1.5 kB  uploaded  ghcr.io/o/n\n" in info
    assert "note: a note" in info
    assert "a detail" not in info
    assert "  + nix build 'a b'\n" in debug
    assert "a detail" in debug
    assert "build took 1.25 s" in debug
    assert "hunter2" not in debug + str(ALL)


@pytest.mark.parametrize("event", ALL, ids=lambda event: type(event).__name__)
def test_every_event_has_a_level(event: events.Event) -> None:
    assert line_of(event)[0] in LOG_LEVELS.values()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hx", "x"),
        ("a\rb\nc\x07\x9b", "abc"),
        ("tab\tü", "tab\tü"),
        ("\x1b]0;title\x07x", "x"),
    ],
)
def test_control_characters_are_removed_from_untrusted_text(text: str, expected: str) -> None:
    assert line_of(events.BuildLog(text)) == (2, f"    {expected}")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_500_000, "1.5 MB"),
        (2_340_000_000, "2.34 GB"),
        (999_940, "999.9 kB"),
        (999_999, "1.0 MB"),
        (999_999_999, "1.00 GB"),
        (12_000_000_000_000, "12000.00 GB"),
    ],
)
def test_sizes_are_shown_in_decimal_units(count: int, text: str) -> None:
    assert size_of(count) == text


def test_lines_of_many_threads_stay_whole() -> None:
    out = io.StringIO()
    emit = PlainReport(out, 2)

    def speak() -> None:
        for _ in range(50):
            emit(events.Notice("x" * 50))

    threads = [threading.Thread(target=speak) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(out.getvalue().splitlines()) == {"note: " + "x" * 50}
    assert len(out.getvalue().splitlines()) == 200


def terminal(environ: dict[str, str], level: str = "info") -> str:
    main, side = pty.openpty()
    chunks: list[bytes] = []

    def drain() -> None:
        while True:
            try:
                chunks.append(os.read(main, 65536))
            except OSError:
                return

    thread = threading.Thread(target=drain)
    thread.start()
    with os.fdopen(side, "w", encoding="utf-8") as out, report.opened(out, level, environ) as emit:
        for event in ALL:
            emit(event)
    thread.join(60)
    os.close(main)
    return b"".join(chunks).decode()


def test_a_terminal_shows_moving_lines() -> None:
    text = terminal({"TERM": "xterm"})
    assert "\x1b[" in text
    assert "a note" in text
    assert "warning: a warning" in text
    assert "a detail" not in text


@pytest.mark.parametrize("environ", [{"TERM": "xterm", "CI": "true"}, {"TERM": "dumb"}, {}])
def test_moving_lines_are_shown_on_terminals_only(environ: dict[str, str]) -> None:
    assert "\x1b" not in terminal(environ)


def test_the_drawing_thread_ends_with_the_report() -> None:
    before = set(threading.enumerate())
    terminal({"TERM": "xterm"})
    assert set(threading.enumerate()) <= before


def test_a_layer_stands_on_one_line_with_all_destinations() -> None:
    states, places = ("uploaded", "mounted", "uploaded"), ("a", "b", "c")
    line = line_of(events.LayerDelivered("sha256:" + "a" * 64, 1500, states, places))
    assert line == (2, "    aaaaaaaaaaaa     1.5 kB  uploaded  a, c; mounted  b")
