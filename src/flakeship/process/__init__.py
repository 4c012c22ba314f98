"""Start programs: the only room that does. `run` waits for one to end; `running` reads what it prints while it runs."""

from flakeship.process.child import NotStartedError
from flakeship.process.completed import OUTPUT_LIMIT, Completed, run
from flakeship.process.pipes import Bounds
from flakeship.process.streamed import Running, running

__all__ = ["OUTPUT_LIMIT", "Bounds", "Completed", "NotStartedError", "Running", "run", "running"]
