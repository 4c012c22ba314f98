"""Fixtures of the destinations' tests."""

from tests.destinations.pushing import pusher

__all__ = ["pusher"]
