"""How a run on Forgejo Actions or Gitea Actions is recognised. Imported on every platform, so it imports nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NAME: Final = "forgejo"
PREFIXES: Final = ("FORGEJO_", "GITEA_")
"""Beginnings of the variables that have these names here and `GITHUB_` on GitHub; Forgejo's come first."""


def matches(environ: Mapping[str, str]) -> bool:
    """Tell whether a runner of Forgejo or Gitea runs this; both say that they are GitHub Actions too."""
    return any(environ.get(f"{prefix}ACTIONS") == "true" for prefix in PREFIXES)
