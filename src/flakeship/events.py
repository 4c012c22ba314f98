"""The events of a run. Progress display, CI log and job summary are all made from this one stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeAlias

from flakeship.printable import printable_lines
from flakeship.redaction import learn, redacted


@dataclass(frozen=True, slots=True)
class Started:
    """The run begins. It is the first event, emitted before the slow imports."""

    version: str


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage begins. `name` is one word, such as `build`; `title` is for people: `building .#image`."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class StageFinished:
    """The stage of that name has ended without an error. `ended` is what the run's clock showed then, in seconds."""

    name: str
    seconds: float
    ended: float = 0.0


@dataclass(frozen=True, slots=True)
class Command:
    """A command line of a subprocess, for users who want to repeat it by hand. It never holds a secret."""

    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BuildLog:
    """One line that Nix or a builder printed: untrusted text, which may hold control characters."""

    line: str


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """How many derivations are built, expected, running and failed.

    Nix reports it as result 105 of the activity of type 104: see flakeship/nix/log.py.
    """

    done: int
    expected: int
    running: int
    failed: int


@dataclass(frozen=True, slots=True)
class StillWaiting:
    """Nothing was heard of a build for minutes: `text` says what is waited for, and what would end it."""

    text: str


@dataclass(frozen=True, slots=True)
class DerivationBuilt:
    """A build has ended, well or not. `machine` is the builder that it ran on, empty for this machine."""

    derivation: str
    machine: str = ""


@dataclass(frozen=True, slots=True)
class PathSubstituted:
    """Nix takes a store path from a cache, which messages call `cache`, or an image is made of what lies there."""

    path: str
    cache: str


@dataclass(frozen=True, slots=True)
class PathsKnown:
    """So many store paths of images stayed in the caches: their layers were known by their hashes."""

    count: int


LayerState = Literal["reading", "packed", "uploaded", "reused", "mounted", "written", "withheld"]


@dataclass(frozen=True, slots=True)
class LayerProgress:
    """A layer changed its state.

    `name` is what messages call the layer. `size` is that of the compressed blob in bytes, 0 if it is not known yet.
    `destination` is empty in the states `reading` and `packed`, which concern no destination.
    """

    name: str
    state: LayerState
    size: int = 0
    digest: str = ""
    destination: str = ""


@dataclass(frozen=True, slots=True)
class BytesMoved:
    """So many bytes were read from the source, sent to a destination, or came once, since the last event of this kind.

    `piped` are those of a source that comes once, through a pipe or from an engine, and is kept in a file before it is read.
    """

    direction: Literal["read", "sent", "piped"]
    count: int


@dataclass(frozen=True, slots=True)
class BytesAwaited:
    """So many bytes more are to be read or sent, which BytesMoved will tell of; fewer, where `count` is negative."""

    direction: Literal["read", "sent"]
    count: int


@dataclass(frozen=True, slots=True)
class LayersAwaited:
    """So many layers will be told by LayerDelivered: all of an image whose layers are known before one is read."""

    count: int


@dataclass(frozen=True, slots=True)
class LayerDelivered:
    """Every destination has the layer. `states` has the state at each of `destinations`; `size` is the blob's, in bytes."""

    digest: str
    size: int
    states: tuple[str, ...]
    destinations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Retry:
    """An action failed and is tried again in `wait` seconds. `what` names the action; the first retry is `attempt` 1."""

    what: str
    reason: str
    attempt: int
    wait: float


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the user should know."""

    text: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that the user should act on. The run goes on."""

    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class NotPushed:
    """The run ends well, and not all was pushed that it was asked for: its last event, which every `log-level` shows.

    `text` says what and why. `expected` is True where a stranger or a bot started the run: then it is but a notice.
    """

    text: str
    expected: bool


@dataclass(frozen=True, slots=True)
class Summarised:
    """The run succeeded. `text` is its summary, of several lines."""

    text: str


@dataclass(frozen=True, slots=True)
class CachesTold:
    """The caches of the run are closed. `text` is a line that says what came from where, and what was kept."""

    text: str


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret, emitted before its first use so that the CI platform can mask it."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Detail:
    """A message that only `log-level: debug` shows."""

    text: str


Event: TypeAlias = (
    Started
    | StageStarted
    | StageFinished
    | Command
    | BuildLog
    | BuildProgress
    | StillWaiting
    | DerivationBuilt
    | PathSubstituted
    | PathsKnown
    | LayerProgress
    | BytesMoved
    | BytesAwaited
    | LayersAwaited
    | LayerDelivered
    | Retry
    | Notice
    | Warned
    | NotPushed
    | Summarised
    | CachesTold
    | Secret
    | Detail
)
Emit: TypeAlias = Callable[[Event], None]
"""A function that takes each event when it happens. Any thread may call it."""


def redacting(onward: Emit) -> Emit:
    """Return an `Emit` that passes events on without secrets; those that a `Secret` names are hidden from then on."""

    def emit(event: Event) -> None:
        match event:
            case Secret(text=text):
                learn(text)
            case BytesMoved() | BytesAwaited() | LayersAwaited() | BuildProgress() | Started():
                pass
            case _:
                event = _redacted(event)
        onward(event)

    return emit


def _hidden(text: str) -> str:
    """The text without secrets, those with control characters between their letters too: a log leaves these out."""
    shown = printable_lines(text)
    if shown != text and (without := redacted(shown)) != shown:
        return without
    return redacted(text)


def _redacted(event: Event) -> Event:
    changed: dict[str, Any] = {}
    for each in fields(event):
        value = getattr(event, each.name)
        if isinstance(value, str):
            hidden: object = _hidden(value)
        elif isinstance(value, tuple):
            hidden = tuple(map(_hidden, value))
        else:
            continue
        if hidden != value:
            changed[each.name] = hidden
    return replace(event, **changed) if changed else event


def ignore(_: Event) -> None:
    """Drop the event: an `Emit` for callers that need no events."""
