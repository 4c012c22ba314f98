"""Who knows which store path refers to which: the store of this machine, an SBOM, binary caches. Each is asked for what is missing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from flakeship import events
from flakeship.commands.run import Run
from flakeship.errors import BuildError, Error
from flakeship.sbom.chains import References
from flakeship.store_paths import STORE, hash_of

if TYPE_CHECKING:  # most runs ask no cache
    from flakeship.caches.nar_entry import NarInfo
    from flakeship.http.fetch import Fetcher

_SECONDS: Final = 10.0
_AT_ONCE: Final = 16
_MOST_REFUSALS: Final = 20
"""The number of questions that a cache may leave unanswered before it is asked no more."""


def references_of(paths: Iterable[str], known: References, caches: Sequence[str], run_: Run) -> References:
    """Return the references between these store paths, as far as anybody knows them; `known` is what an SBOM told."""
    wanted = frozenset(paths)
    told = known
    if missing := _unknown(wanted, told):
        told = told.beside(_in_store(missing, run_))
    for url in caches:
        if missing := _unknown(wanted, told):
            told = told.beside(_in_cache(url, missing, run_))
    return told


def _unknown(paths: Iterable[str], told: References) -> list[str]:
    return sorted(path for path in paths if told.node(path) not in told.below)


def _in_store(paths: Collection[str], run_: Run) -> References:
    """Return what the Nix of this machine knows; nothing if it has no Nix."""
    if not any(Path(path).exists() for path in paths):
        return References()
    from flakeship.nix.closure import known_paths

    try:
        infos = known_paths(run_.builder.nix, paths)
    except BuildError as error:  # the layer is told all the same
        run_.emit(events.Notice(f"Nix tells nothing of the store paths: {error.message}"))
        return References()
    return References(
        {info.path: info.references for info in infos}, {info.path: info.nar_size for info in infos}
    )


def _in_cache(url: str, paths: Sequence[str], run_: Run) -> References:
    """What a cache of the input `substituters` has of these paths: one small file of each is asked for."""
    from flakeship.caches.probe import unusable
    from flakeship.http.fetch import Fetcher

    fetch = Fetcher(run_.connections.session)
    if why := unusable([url], fetch).get(url, ""):
        run_.emit(events.Warned(f"the cache {url} can't be asked: {why}", "check `substituters`"))
        return References()
    if urlsplit(url).scheme not in {"file", "http", "https"}:
        run_.emit(events.Notice(f"the cache {url} is not asked: only Nix knows how to reach it"))
        return References()
    refused: list[str] = []
    with ThreadPoolExecutor(_AT_ONCE, "flakeship-narinfo") as pool:
        asked = pool.map(partial(_narinfo, url, fetch=fetch, refused=refused), paths)
        found = [info for info in asked if info]
    if refused:
        run_.emit(events.Notice(f"the cache {url} did not answer for some store paths: {refused[0]}"))
    return References(
        {info.path: tuple(STORE + name for name in info.references) for info in found},
        {info.path: info.nar_size for info in found},
    )


def _narinfo(url: str, path: str, *, fetch: Fetcher, refused: list[str]) -> NarInfo | None:
    """None for a path that the cache does not have."""
    from flakeship.caches.nar_entry import parse_narinfo

    if len(refused) > _MOST_REFUSALS:
        return None
    parts = urlsplit(url)
    name = f"{hash_of(path)}.narinfo"
    try:
        if parts.scheme == "file":
            file = Path(unquote(parts.path), name)
            data = file.read_bytes() if file.is_file() else b""
        else:
            data = fetch(f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/{name}", _SECONDS)
        info = parse_narinfo(data) if data else None
    except ValueError as error:
        if "404" not in str(error):
            refused.append(str(error))
        return None
    except (Error, OSError) as error:
        refused.append(str(error))
        return None
    return info if info and info.path == path else None
