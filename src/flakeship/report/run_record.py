"""What a run said on its way that its summary repeats: how long each stage took, and what the user should know."""

from __future__ import annotations

from dataclasses import dataclass, field

from flakeship import events


@dataclass(frozen=True, slots=True)
class UniqueNotices:
    """Hands events on, a notice once: a run for several images would say it for each."""

    onward: events.Emit
    seen: set[events.Notice] = field(default_factory=set)

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.Notice):
            if event in self.seen:
                return
            self.seen.add(event)
        self.onward(event)


@dataclass(slots=True)
class RunRecord:
    """Takes events from any thread and hands each of them on. `stages` are (name, seconds)."""

    onward: events.Emit
    stages: list[tuple[str, float]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    warnings: list[events.Warned] = field(default_factory=list)

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.StageFinished(name, seconds):
                self.stages.append((name, seconds))
            case events.Notice(text) if text not in self.notices:
                self.notices.append(text)
            case events.Warned() if event not in self.warnings:
                self.warnings.append(event)
            case _:
                pass
        self.onward(event)
