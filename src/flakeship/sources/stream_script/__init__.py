"""nixpkgs' streamLayeredImage: an executable that would write a docker-archive. Where its conf.json and a trial show
exactly what it would write, its layers are read from the store one by one; else it is run once and read forward.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from flakeship.sources.opened import Opened, SourceRequest

KIND: Final = "streamLayeredImage script"


def matches(path: Path, head: bytes) -> bool:
    """Claim an executable script."""
    return head.startswith(b"#!") and path.is_file() and os.access(path, os.X_OK)


def opened(path: Path, request: SourceRequest) -> contextlib.AbstractContextManager[Opened]:
    """Open what the script would write, or writes."""
    from flakeship.sources.stream_script.opening import planned_or_run

    return planned_or_run(path, request)
