"""Tests by name, as pages of docs list them: `image/test_memory.py::test_flat`, a file below `tests` and a function."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parent


@functools.cache
def functions(path: Path) -> frozenset[str]:
    return frozenset(
        node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)
    )


def missing(names: Iterable[str]) -> list[str]:
    """Those of which there is no such test."""
    return [name for name in names if not _exists(*name.partition("::")[::2])]


def _exists(path: str, function: str) -> bool:
    file = TESTS / path
    return function.startswith("test_") and file.is_file() and function in functions(file)


def link(name: str) -> str:
    """Markdown for a page in docs."""
    path, _, function = name.partition("::")
    return f"[`{function}`](../tests/{path})"
