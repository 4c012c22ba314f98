"""nixpkgs' streamLayeredImage: an executable that would write a docker-archive. Where its conf.json and a trial show
exactly what it would write, its layers are read from the store one by one; else it is run once and read forward.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from flakeship.sources.opened import Opened, SourceRequest

KIND: Final = "streamLayeredImage script"


def matches(path: Path, head: bytes) -> bool:
    """Claim a script of nixpkgs, or one of the user's own, which lies outside the store: no other is to be executed."""
    if not head.startswith(b"#!"):
        return False
    from flakeship.sources.stream_script.recognition import is_script, recognised
    from flakeship.store_paths import store_path_of, whole_store_path

    real = path.resolve()
    if not is_script(real):
        return False
    in_store = store_path_of(str(real)) or whole_store_path(path)
    return recognised(real) is not None or not in_store


def opened(path: Path, request: SourceRequest) -> contextlib.AbstractContextManager[Opened]:
    """Open what the script would write, or writes."""
    from flakeship.sources.stream_script.opening import planned_or_run

    return planned_or_run(path, request)
