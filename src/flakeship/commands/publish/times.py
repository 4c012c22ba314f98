"""When a run began and ended, and each of its stages: the run's clock counts seconds, and these are dates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from flakeship.commands.runtime import Runtime
from flakeship.report.run_record import Stage


class StageTime(NamedTuple):
    """One stage that ended without an error."""

    name: str
    started: datetime
    finished: datetime


@dataclass(frozen=True, slots=True)
class Times:
    """From the start of the run until one of its images was finished. `stages` are in the order in which they ended."""

    started: datetime
    finished: datetime
    stages: tuple[StageTime, ...]

    def to_json(self) -> dict[str, Any]:
        """Return texts of RFC 3339 in UTC, to the millisecond."""
        return {
            "started": _text(self.started),
            "finished": _text(self.finished),
            "stages": [
                {"name": stage.name, "started": _text(stage.started), "finished": _text(stage.finished)}
                for stage in self.stages
            ],
        }


def times_of(stages: Iterable[Stage], runtime: Runtime) -> Times:
    """Return the times up to now."""

    def moment(clock: float) -> datetime:
        return runtime.now + timedelta(seconds=clock - runtime.begun)

    return Times(
        runtime.now,
        moment(runtime.clock()),
        tuple(
            StageTime(stage.name, moment(stage.ended - stage.seconds), moment(stage.ended))
            for stage in stages
        ),
    )


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
