"""Fixtures of the transport's tests."""

from tests.destinations.pushing import pusher

__all__ = ["pusher"]
