"""Where the program begins: a signal that comes while modules are still imported ends it at once, without a traceback.

What is imported here is there already. `signal` and `typing` would take 6 ms, in which SIGTERM is lost to the first process
of a container, and SIGINT gives a traceback.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import gc
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Final, NoReturn

GC_THRESHOLD: Final = 100_000
"""Modules are made of objects that stay, some 50,000: to look through them for garbage is a twentieth of the start."""


def entry() -> NoReturn:
    """Run as a program. The run has handlers of its own; before it there is nothing to leave in order."""
    for number in (_signal.SIGINT, _signal.SIGTERM):
        if _signal.getsignal(number) is not _signal.SIG_IGN:
            _signal.signal(number, _end)
    gc.set_threshold(GC_THRESHOLD)
    from flakeship import cli

    cli.entry()


def _end(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    entry()
