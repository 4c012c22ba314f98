"""A signal is heard at once, whichever thread of the process the kernel interrupts for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

WAITS = """
import signal, sys, threading, time
from flakeship.cancellation import Cancellation, Cancelled

def signalled():
    time.sleep(0.2)
    # what interrupts another thread leaves the main one where it waits, as does what comes just before it waits
    signal.pthread_kill(threading.get_ident(), int(sys.argv[1]))

cancellation, lock = Cancellation(), threading.Lock()
lock.acquire()
try:
    with cancellation.handled():
        threading.Thread(target=signalled).start()
        with cancellation.uninterrupted() if sys.argv[2] == "naming" else threading.Lock():
            lock.acquire(timeout=20)
except Cancelled as cancelled:
    print(cancelled.number)
"""


@pytest.mark.parametrize("number", [2, 15])
@pytest.mark.parametrize("block", ["any", "naming"])
def test_a_signal_that_does_not_interrupt_the_main_thread_ends_its_wait(number: int, block: str) -> None:
    """In a block that names an image it has its 1.5 seconds."""
    command = [sys.executable, "-c", WAITS, str(number), block]
    done = subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)
    assert done.stdout.split() == [str(number)], done.stderr
