"""Decide whether a stream script is planned from its settings or run, and what it can read where it is run."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from flakeship import events
from flakeship.confinement.scripts import Confinement
from flakeship.errors import NotAnImageError
from flakeship.sources.opened import Opened, SourceRequest
from flakeship.sources.store_files import LOCAL
from flakeship.sources.stream_script.conf import UnplannedError, read_conf
from flakeship.sources.stream_script.interpreter import command_line
from flakeship.sources.stream_script.plan import Planned, base_of
from flakeship.sources.stream_script.recognition import StreamScript, interpreter_of, recognised
from flakeship.sources.stream_script.run import Executed, run
from flakeship.sources.stream_script.trial import recipe_of

_SYSTEM: Final = ("/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr")
_EMULATORS: Final = "/run/binfmt"
"""Where NixOS keeps what executes the programs of another system."""


def planned_or_run(path: Path, request: SourceRequest) -> contextlib.AbstractContextManager[Opened]:
    """Plan the layers where the script is of a known version, else run it.

    BuildError where a sandbox is required and the script can't be confined, or is not nixpkgs'.
    """
    files = request.files
    elsewhere = files is not LOCAL
    script = recognised(files.here(str(path)), files.here) if elsewhere else recognised(path.resolve())
    hashes = functools.cache(request.nar_hashes or dict)
    executed = Executed(
        path,
        request.environ,
        request.pass_env,
        request.emit,
        request.confinement() if request.confinement else Confinement(emit=request.emit),
        request.store,
        script,
        lambda: () if elsewhere or not script else _readable(path.resolve(), script, request.store, hashes()),
        elsewhere,
    )
    try:
        planned = _planned(path, request, executed, hashes)
    except UnplannedError as error:
        if elsewhere:
            raise _not_here(path, error) from error
        request.emit(events.Detail(f"{path} is run, and not planned: {error}"))
        return run(executed, _command_line(executed))
    return contextlib.nullcontext(planned)


def _command_line(executed: Executed) -> tuple[str, ...]:
    wrapper, script = (str(executed.path),), executed.script
    if script is None:
        return executed.argv(*wrapper)
    return command_line(executed, str(script.files[-1]), str(script.conf), otherwise=wrapper)


def _planned(
    path: Path,
    request: SourceRequest,
    executed: Executed,
    hashes: functools._lru_cache_wrapper[Mapping[str, str]],
) -> Planned:
    files = request.files
    conf = read_conf(path, store=request.store, now=request.now, here=files.here)
    if executed.script is None:
        raise UnplannedError("it is not a script of nixpkgs")
    base = base_of(conf, files)
    # docs/decisions.md#a-stream-script-is-tried-out-first
    recipe = recipe_of(conf, executed=executed, folder=request.folder, files=files)
    return Planned(conf, recipe, base=base, hashes=hashes(), files=files)


def _not_here(path: Path, why: UnplannedError) -> NotAnImageError:
    return NotAnImageError(
        f"{path} would have to be run to know what it writes, and its closure is on another machine: {why}",
        hint="use dockerTools.buildLayeredImage, whose archive comes as it is, or leave out `store`",
    )


def _readable(path: Path, script: StreamScript, store: Path, hashes: Mapping[str, str]) -> tuple[str, ...]:
    """What the script needs: its closure, or all of the store where nobody knows that."""
    emulated = (_EMULATORS,) if Path(_EMULATORS).is_dir() else ()
    known = tuple(hashes) if str(path) in hashes and not emulated else (str(store),)
    outside = [str(file) for file in (*script.files, script.conf) if not _within(str(file), known)]
    if outside and store != _STORE:  # a wrapper that lies elsewhere
        outside.append(str(_STORE))
    foreign = [
        name for file in script.files if not _within(name := interpreter_of(file), (str(store), str(_STORE)))
    ]
    return (*dict.fromkeys((*known, *outside, *emulated, *(_SYSTEM if foreign else ()))),)


def _within(name: str, paths: tuple[str, ...]) -> bool:
    return any(name == path or name.startswith(f"{path}/") for path in paths)


_STORE: Final = Path("/nix/store")
