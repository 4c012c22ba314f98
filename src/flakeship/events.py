"""What happens during a run, as values: the one stream that progress, log, summary and metadata file read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Started:
    """The run begins, before anything is loaded that takes its time."""

    version: str


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage of the pipeline begins; `name` is one of the words of the README's paragraph ("build", "pack", …)."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class StageFinished:
    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Command:
    """A subprocess that the user may want to repeat by hand; secrets never stand in an argv."""

    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BuildLog:
    """One line that Nix or a builder printed. It is untrusted text."""

    line: str


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """Counts of Nix's own activity of building: internal-json result 105 of the activity of type 104."""

    done: int
    expected: int
    running: int
    failed: int


LayerState = Literal["reading", "packed", "uploaded", "reused", "mounted", "written", "withheld"]


@dataclass(frozen=True, slots=True)
class LayerProgress:
    """A layer changed its state. `size` is in bytes of the compressed blob, 0 while it is not known.

    `destination` is empty for what happens before a destination is spoken to (reading, packed).
    """

    key: str
    state: LayerState
    size: int = 0
    digest: str = ""
    destination: str = ""


@dataclass(frozen=True, slots=True)
class BytesMoved:
    """Bytes read from the source or sent to a destination since the last such event; for progress bars."""

    direction: Literal["read", "sent"]
    count: int


@dataclass(frozen=True, slots=True)
class Retry:
    """Something failed that may pass: `what` was tried, `attempt` (1 is the first retry) follows in `wait` seconds."""

    what: str
    reason: str
    attempt: int
    wait: float


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the user should know and need not act on; `prominent` where the run did less than it was asked to."""

    text: str
    prominent: bool = False


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the user should act on; the run goes on."""

    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Summarised:
    """The end of a successful run, told in several lines."""

    text: str


@dataclass(frozen=True, slots=True)
class Secret:
    """Something that no log may show, before it is used for the first time: platforms can blacken it."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Detail:
    """For `log-level: debug` alone."""

    text: str


Event: TypeAlias = (
    Started
    | StageStarted
    | StageFinished
    | Command
    | BuildLog
    | BuildProgress
    | LayerProgress
    | BytesMoved
    | Retry
    | Notice
    | Warned
    | Summarised
    | Secret
    | Detail
)
Emit: TypeAlias = Callable[[Event], None]
"""Takes each event as it happens. May be called from any thread."""


def ignore(_: Event) -> None:
    """Drop the event: for callers that want a result and no story."""
