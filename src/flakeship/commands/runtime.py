"""All that a run takes from around it, as one value: nothing below `cli` reads the environment, a clock or a folder itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from flakeship import events


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """`clock` is monotonic, in seconds; `random` yields [0, 1); `cpus` are those this process may use.

    `temporary` is the folder to put temporary folders in; None for the system's. `stdout` is for an image that is sent
    there. No signal ends the run within a block of `uninterrupted`, but at its end, or when the block takes too long.
    """

    environ: Mapping[str, str]
    cwd: Path
    home: Path
    temporary: Path | None = None
    now: datetime
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    random: Callable[[], float]
    cpus: int
    emit: events.Emit
    stdout: BinaryIO
    uninterrupted: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext

    @contextlib.contextmanager
    def stage(self, name: str, title: str) -> Iterator[None]:
        """Say that a stage begins and, unless it fails, that it is finished."""
        self.emit(events.StageStarted(name, title))
        begun = self.clock()
        yield
        self.emit(events.StageFinished(name, self.clock() - begun))
