"""nixpkgs' streamLayeredImage: an executable that would write a docker-archive. Where its conf.json and a trial show
exactly what it would write, its layers are read from the store one by one; else it is run once and read forward.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from flakeship import events
from flakeship.sources.opened import Circumstances, Opened
from flakeship.sources.stream_script.conf import UnplannedError, read_conf
from flakeship.sources.stream_script.plan import Planned, base_of
from flakeship.sources.stream_script.run import run

KIND: Final = "streamLayeredImage script"


def matches(path: Path, head: bytes) -> bool:
    return head.startswith(b"#!") and path.is_file() and os.access(path, os.X_OK)


def opened(path: Path, circumstances: Circumstances) -> contextlib.AbstractContextManager[Opened]:
    try:
        planned = _planned(path, circumstances)
    except UnplannedError as error:
        circumstances.emit(events.Detail(f"{path} is run, and not planned: {error}"))
        return run(path, circumstances)
    return contextlib.nullcontext(planned)


def _planned(path: Path, circumstances: Circumstances) -> Planned:
    from flakeship.sources.stream_script.trial import recipe_of

    conf = read_conf(path, store=circumstances.store, now=circumstances.now)
    base = base_of(conf)
    recipe = recipe_of(conf, environ=circumstances.environ, folder=circumstances.folder)
    hashes = circumstances.nar_hashes() if circumstances.nar_hashes else {}
    return Planned(conf, recipe, base=base, hashes=hashes)
