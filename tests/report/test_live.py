"""The lines that move: percent, rate and time left where a size is known, on a terminal of any width."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from flakeship import events
from flakeship.report.live import LiveReport, progress_on

_COMMAND = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_DIGEST = "sha256:" + "a" * 64


class Screen:
    """A terminal whose clock is set by hand. `lines` are those that moved last."""

    def __init__(self, width: int = 100) -> None:
        self.now = 0.0
        self.out = io.StringIO()
        self.console = Console(file=self.out, force_terminal=True, width=width, height=30, no_color=True)
        self.progress = progress_on(self.console, get_time=lambda: self.now)
        self.report = LiveReport(self.progress, 2)

    def tell(self, *told: events.Event, at: float | None = None) -> None:
        self.now = self.now if at is None else at
        for event in told:
            self.report(event)

    @property
    def lines(self) -> list[str]:
        self.report.refresh()
        with self.console.capture() as captured:
            self.console.print(self.progress.get_renderable())
        return [line.rstrip() for line in _COMMAND.sub("", captured.get()).splitlines() if line.strip()]


def reading(screen: Screen) -> None:
    """Half of ten layers of a megabyte each, in five seconds."""
    screen.tell(
        events.StageStarted("publish", "publishing x"),
        events.LayersAwaited(10),
        events.BytesAwaited("read", 10_000_000),
    )
    for second in range(1, 6):
        screen.tell(
            events.BytesMoved("read", 1_000_000),
            events.LayerDelivered(_DIGEST, 9, ("written",), ("oci:x",)),
            at=float(second),
        )
        screen.report.refresh()


def test_share_rate_and_time_left_of_a_known_size() -> None:
    screen = Screen()
    reading(screen)
    (line,) = [line for line in screen.lines if "layers" in line]
    assert re.search(r"layers 5/10 .* 50 %  1\.\d MB/s  0:0[4-6] left ", line)
    assert "━" in line


@pytest.mark.parametrize("width", [20, 40, 55, 56, 75, 76, 200])
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    screen = Screen(width)
    reading(screen)
    assert all(len(line) <= width for line in screen.lines)
    (line,) = [line for line in screen.lines if "50 %" in line]
    assert ("━" in line) == (width >= 76)
    assert ("MB/s" in line) == (width >= 56)


def test_a_terminal_that_gets_narrower_while_it_runs() -> None:
    screen = Screen(100)
    reading(screen)
    screen.console.width = 40
    assert [line for line in screen.lines if "layers 5/10" in line and len(line) <= 40]


def test_a_size_that_is_not_known_has_a_rate_alone() -> None:
    screen = Screen()
    screen.tell(events.StageStarted("read", "reading stdin"))
    for second in range(1, 4):
        screen.tell(events.BytesMoved("piped", 2_000_000), at=float(second))
        screen.report.refresh()
    (line,) = [line for line in screen.lines if "received" in line]
    assert re.search(r"6\.0 MB  \d\.\d MB/s", line)
    assert "%" not in line
    screen.tell(events.StageFinished("read", 3.0))
    assert not [line for line in screen.lines if "received" in line]


def test_what_is_sent_has_a_share_only_when_all_of_it_is_known() -> None:
    screen = Screen()
    reading(screen)
    screen.tell(events.BytesAwaited("sent", 4_000), events.BytesMoved("sent", 1_000), at=6.0)
    assert [line for line in screen.lines if "sent" in line and "1.0 kB" in line]
    screen.tell(events.BytesMoved("read", 5_000_000), at=7.0)
    assert [line for line in screen.lines if "sent" in line and "25 %" in line]
    screen.tell(events.BytesAwaited("sent", -3_000), events.BytesAwaited("sent", 4_000), at=8.0)
    assert [line for line in screen.lines if "sent" in line and "20 %" in line], "another try sends all of it"


def test_a_layer_that_is_found_is_not_waited_for() -> None:
    screen = Screen()
    screen.tell(
        events.StageStarted("publish", "publishing x"),
        events.BytesAwaited("read", 10_000),
        events.BytesAwaited("read", -8_000),
        events.BytesMoved("read", 1_000),
    )
    assert [line for line in screen.lines if "50 %" in line]


def test_more_than_was_awaited_is_no_more_than_all() -> None:
    screen = Screen()
    screen.tell(events.BytesAwaited("read", 1_000), events.BytesMoved("read", 3_000))
    assert [line for line in screen.lines if "100 %" in line]


def test_layers_are_counted_and_not_told_one_by_one() -> None:
    """The summary has a line for each."""
    screen = Screen()
    reading(screen)
    assert "aaaaaaaaaaaa" not in screen.out.getvalue()
    screen.tell(events.StageFinished("publish", 1.0), events.StageStarted("publish", "publishing y"))
    screen.tell(events.BytesMoved("read", 1_000), events.LayerDelivered(_DIGEST, 9, ("written",), ("oci:x",)))
    assert [line for line in screen.lines if "layers 1 " in line], (
        "of a stream nobody knows how many there are"
    )
