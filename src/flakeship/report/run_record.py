"""Keep the events that the summary of a run shows again: the times of the stages, notices and warnings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from flakeship import events


class Stage(NamedTuple):
    """A stage that has ended: how many seconds it took, and what the run's clock showed then, in seconds."""

    name: str
    seconds: float
    ended: float = 0.0


@dataclass(frozen=True, slots=True)
class ToldOnce:
    """An `Emit` that passes events on, but each notice and warning once, and each layer once for the destinations that have it.

    A run for several images would repeat notices for each, and a layer that is read again was told when it was sent first.
    """

    onward: events.Emit
    seen: set[object] = field(default_factory=set)

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.Notice() | events.Warned():
                told: object = event
            case events.LayerDelivered(digest=digest, destinations=destinations):
                told = (digest, destinations)
            case _:
                self.onward(event)
                return
        if told in self.seen:
            return
        self.seen.add(told)
        self.onward(event)


@dataclass(slots=True)
class RunRecord:
    """An `Emit` that keeps events and passes each of them on."""

    onward: events.Emit
    stages: list[Stage] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    warnings: list[events.Warned] = field(default_factory=list)

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.StageFinished(name, seconds, ended):
                self.stages.append(Stage(name, seconds, ended))
            case events.Notice(text) if text not in self.notices:
                self.notices.append(text)
            case events.Warned() if event not in self.warnings:
                self.warnings.append(event)
            case _:
                pass
        self.onward(event)
