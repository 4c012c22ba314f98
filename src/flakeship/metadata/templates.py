"""Filling in `{{ }}`: the door to `handlebars`, which reads them and is imported for a text that has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

Value: TypeAlias = str | int
Name: TypeAlias = Value | Callable[..., Value]
"""What a name stands for; one that takes arguments is called with them, and with the pairs as keywords."""


def render(template: str, names: Mapping[str, Name], *, source: str = "", offset: int = 0) -> str:
    """Fill in a template. `source` and `offset` are the input line that it is part of, for places in messages.

    UsageError, with line and column, for a name that is not in `names`, for arguments to a name that takes
    none, and for any part of Handlebars that is not known here.
    """
    if "{{" not in template:
        return template
    from flakeship.metadata.syntax.handlebars import filled

    return filled(template, names, source=source or template, offset=offset)
