"""A Runtime for tests: an environment, a folder, a day, and every event that was told."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from flakeship.commands.runtime import Runtime
from flakeship.events import Event
from tests.metadata.events import NOW


def runtime(cwd: Path, environ: Mapping[str, str] | None = None) -> tuple[Runtime, list[Event]]:
    """It stands still, and sleeps for no time. The list grows as events are told."""
    told: list[Event] = []
    made = Runtime(
        environ=environ or {},
        cwd=cwd,
        home=cwd,
        now=NOW,
        clock=lambda: 0.0,
        sleep=lambda _: None,
        random=lambda: 0.0,
        cpus=1,
        emit=told.append,
        stdout=io.BytesIO(),
    )
    return made, told
