"""Fills in `{{ }}`; `handlebars`, which reads templates, is imported only for a text that has one."""

from __future__ import annotations

from flakeship.metadata.syntax.lists import Placed
from flakeship.metadata.syntax.names import Names


def render(template: Placed, names: Names) -> str:
    """Fill in a template.

    UsageError, with line and column, for a name that is not in `names`, for arguments to a name that takes
    none, and for any part of Handlebars that `handlebars` does not read.
    """
    if "{{" not in template.text:
        return template.text
    from flakeship.metadata.syntax.handlebars import fill

    return fill(template, names)
