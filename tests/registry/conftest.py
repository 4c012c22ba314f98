"""Fixtures of the registry client's tests."""

from tests.destinations.pushing import pusher

__all__ = ["pusher"]
