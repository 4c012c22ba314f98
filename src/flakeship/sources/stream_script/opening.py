"""Decide whether a stream script is planned from its settings or run."""

from __future__ import annotations

import contextlib
from pathlib import Path

from flakeship import events
from flakeship.sources.opened import Opened, SourceRequest
from flakeship.sources.stream_script.conf import UnplannedError, read_conf
from flakeship.sources.stream_script.plan import Planned, base_of
from flakeship.sources.stream_script.run import run
from flakeship.sources.stream_script.trial import recipe_of


def planned_or_run(path: Path, request: SourceRequest) -> contextlib.AbstractContextManager[Opened]:
    """Plan the layers where the script is of a known version, else run it."""
    try:
        planned = _planned(path, request)
    except UnplannedError as error:
        request.emit(events.Detail(f"{path} is run, and not planned: {error}"))
        return run(path, request)
    return contextlib.nullcontext(planned)


def _planned(path: Path, request: SourceRequest) -> Planned:
    conf = read_conf(path, store=request.store, now=request.now)
    base = base_of(conf)
    # docs/decisions.md#a-stream-script-is-tried-out-first
    recipe = recipe_of(conf, environ=request.environ, folder=request.folder)
    hashes = request.nar_hashes() if request.nar_hashes else {}
    return Planned(conf, recipe, base=base, hashes=hashes)
