"""Fixtures of the destinations' tests."""

from tests.sinks.pushing import pusher
from tests.testbed.registry_tls import certified

__all__ = ["certified", "pusher"]
