"""What a platform's own API is asked through, where that is wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Api: TypeAlias = Callable[[str], Any]
"""Asks GitHub's API for a path ("repos/o/n/commits/SHA") and returns its JSON; raises errors.Error."""
