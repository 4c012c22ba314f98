"""The program as it is, but for the seconds that it has after a signal: a busy machine may need more than users want to wait."""

from __future__ import annotations

import sys

_WITH_GRACE = """
from flakeship import cancellation
from flakeship.destinations.registry import sessions
cancellation.NAMING_GRACE_SECONDS = {0}
sessions.AFTER_SIGNAL = sessions.Grace(0.6, {0})
from flakeship.__main__ import entry
entry()
"""


def patient(grace: float) -> tuple[str, ...]:
    """The first words of a command line: so many seconds to set all names, and to end all sessions."""
    return (sys.executable, "-c", _WITH_GRACE.format(grace))
