"""Fixtures of the destinations' tests."""

from tests.sinks.pushing import pusher

__all__ = ["pusher"]
