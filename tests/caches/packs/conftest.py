"""Fixtures of the tests of packs."""

from __future__ import annotations

import pytest

from flakeship.caches.packs.repository import Repository
from tests.caches.packs.scene import Scene, scene
from tests.testbed.registry import Registry

__all__ = ["scene"]


@pytest.fixture(params=["layout", pytest.param("registry", marks=pytest.mark.slow)])
def repository(request: pytest.FixtureRequest, scene: Scene) -> Repository:
    """A place for roots, of each kind."""
    if request.param == "layout":
        return scene.layout()
    registry: Registry = request.getfixturevalue("registry")
    return scene.registry(registry.host, registry.new_repository())
