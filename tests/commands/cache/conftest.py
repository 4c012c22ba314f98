"""Fixtures of the tests of the command `cache`."""

from tests.caches.packs.scene import scene

__all__ = ["scene"]
