"""Where the program begins: a signal that comes while modules are still imported ends it at once, without a traceback."""

import gc
import os
import signal
from types import FrameType
from typing import NoReturn


def entry() -> NoReturn:
    """Run as a program. The run has handlers of its own; before it there is nothing to leave in order."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    gc.set_threshold(
        50_000
    )  # modules are made of objects that stay: looking through them is a twentieth of the start
    from flakeship import cli

    cli.entry()


def _end(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    entry()
