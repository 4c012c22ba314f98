"""The machine around a run, as one value: the story reads environment, clock and folders from it and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from flakeship import events
from flakeship.commands.tag_record import TagRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """`clock` is monotonic, in seconds, and showed `begun` at the date `now`; `random` yields [0, 1); `cpus` are
    those that this process may use.

    `stdin` is the number of the open file that a source may come through. `temporary` is the folder to put temporary
    folders in; None for the system's. `stdout` is for an image that is sent there. `tags` is told which names are
    set. `spelled` writes the inputs in a text that is no error and no warning, which the door does for those, as they
    were given: `tags` or `--tags`.
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
    begun: float = 0.0
    stdin: int = 0
    tags: TagRecord = field(default_factory=TagRecord)
    spelled: Callable[[str], str] = str
