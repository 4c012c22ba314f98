"""The types of what a name in a template can stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

Value: TypeAlias = str | int

Helper: TypeAlias = Callable[..., Value]
"""A name that takes arguments, called with them; pairs such as `tz='UTC'` are keyword arguments."""

Names: TypeAlias = Mapping[str, Value | Helper]
