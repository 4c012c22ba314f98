"""Settings from plain texts."""

from __future__ import annotations

from typing import Any

from flakeship.settings.declaration import Settings, inputs
from tests.metadata.computing import placed


def settings_of(**given: Any) -> Settings:
    """Settings whose values know their places where the declaration asks for that; one value a line."""
    lists = {item.attribute for item in inputs() if item.placed}
    values: dict[str, Any] = {
        name: placed(*value) if name in lists else value for name, value in given.items()
    }
    return Settings(**values)
