"""Whether a script is planned or run."""

from __future__ import annotations

import contextlib
from pathlib import Path

from flakeship import events
from flakeship.sources.opened import Circumstances, Opened
from flakeship.sources.stream_script.conf import UnplannedError, read_conf
from flakeship.sources.stream_script.plan import Planned, base_of
from flakeship.sources.stream_script.run import run
from flakeship.sources.stream_script.trial import recipe_of


def planned_or_run(path: Path, circumstances: Circumstances) -> contextlib.AbstractContextManager[Opened]:
    try:
        planned = _planned(path, circumstances)
    except UnplannedError as error:
        circumstances.emit(events.Detail(f"{path} is run, and not planned: {error}"))
        return run(path, circumstances)
    return contextlib.nullcontext(planned)


def _planned(path: Path, circumstances: Circumstances) -> Planned:
    conf = read_conf(path, store=circumstances.store, now=circumstances.now)
    base = base_of(conf)
    recipe = recipe_of(conf, environ=circumstances.environ, folder=circumstances.folder)
    hashes = circumstances.nar_hashes() if circumstances.nar_hashes else {}
    return Planned(conf, recipe, base=base, hashes=hashes)
