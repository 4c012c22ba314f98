"""How flakeship is released: what .github/workflows/release.yml and `./dev release` run. It is in no package.

Every step may be run again with the same version: it finds out what is there already, and does what is missing
(docs/decisions.md#a-release-that-stopped-is-started-again). docs/releasing.md says who starts it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from flakeship.errors import Error

ROOT: Final = Path(__file__).parent.parent
PROJECT: Final = "flakeship/flakeship"
"""Its name on GitHub and on GitLab."""
IMAGE: Final = f"ghcr.io/{PROJECT}"


class NotReleasableError(Error):
    """The release can't go on: something is missing, or another release has taken a name."""
