"""How a run on GitHub Actions is recognised. Imported on every platform, so it imports nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NAME: Final = "github"


def matches(environ: Mapping[str, str]) -> bool:
    """Tell whether GitHub's runner, or one that imitates it such as act, runs this."""
    return environ.get("GITHUB_ACTIONS") == "true"


def takes_outputs(environ: Mapping[str, str]) -> bool:
    """Tell whether a step's file for outputs is named."""
    return bool(environ.get("GITHUB_OUTPUT"))
