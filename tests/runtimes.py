"""A Runtime for tests: an environment, a folder, a day, and every event that was told."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from flakeship.commands.publish.pipeline import publish
from flakeship.commands.publish.request import Request
from flakeship.commands.publish.result import Result
from flakeship.commands.run import open_run
from flakeship.commands.runtime import Runtime
from flakeship.events import Event
from flakeship.settings.declaration import Settings
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


def publish_one(settings: Settings, machine: Runtime) -> Result:
    """Publish the one image that the settings ask for, in a run of its own."""
    with open_run(settings, machine) as run:
        return publish(Request.of(settings, run), run)
