"""Members of a package that are imported when they are first used: start-up loads no log of another platform."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def deferred(package: str, modules: Mapping[str, tuple[str, ...]]) -> Callable[[str], Any]:
    """Return the `__getattr__` of `package` (https://peps.python.org/pep-0562/).

    `modules` maps the full name of a module to the members that it defines. The package imports the same names under
    TYPE_CHECKING, so that mypy holds them against the Protocol.
    """
    homes = {member: module for module, members in modules.items() for member in members}

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name)
        return getattr(importlib.import_module(homes[name]), name)

    return get
