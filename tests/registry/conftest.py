"""Fixtures of the registry client's tests."""

from tests.sinks.pushing import pusher

__all__ = ["pusher"]
