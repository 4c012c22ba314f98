"""Fixtures of the transport's tests."""

from tests.sinks.pushing import pusher

__all__ = ["pusher"]
