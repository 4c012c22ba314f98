"""The layer cache of this machine: where it is, whether it is used, what is in it and how large it may be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from flakeship.ci.platforms import is_ci
from flakeship.commands.runtime import Runtime
from flakeship.errors import ResourceError, UsageError
from flakeship.image.compress import Compression
from flakeship.image.media_types import Family
from flakeship.image.pack import LayerStore
from flakeship.settings.declaration import Settings

if TYPE_CHECKING:
    from flakeship.report.layer_cache import KeptLayer

_OFF: Final = "off"
_MEGABYTE: Final = 1_000_000


def layer_cache(
    settings: Settings, runtime: Runtime, behind: LayerStore, compression: Compression, family: Family
) -> LayerStore:
    """`behind`, with the cache before it where there is to be one: everywhere but in CI, unless it is told.

    Not where nothing is compressed: then a layer is made as fast as it is read.
    """
    folder = settings.layer_cache or (_OFF if is_ci(runtime.environ) else _default(runtime))
    if folder == _OFF or settings.reuse != "trust" or compression.algorithm == "none":
        return behind
    from flakeship.stores.cache import CachedStore  # there is none in CI
    from flakeship.stores.cache_folder import CacheFolder

    return CachedStore(
        CacheFolder(_path(folder, runtime)),
        behind,
        compression=compression,
        family=family,
        limit=_limit(settings),
        now=runtime.now.timestamp(),
        emit=runtime.emit,
    )


def kept_layers(settings: Settings, runtime: Runtime) -> tuple[Path, tuple[KeptLayer, ...]]:
    """The folder, and what is in it, the one used last first; with `prune`, of what is left then.

    UsageError where there is no cache, ResourceError where it can't be read.
    """
    from flakeship.report.layer_cache import KeptLayer
    from flakeship.stores.cache_folder import CacheFolder

    named = settings.layer_cache or _default(runtime)
    if named == _OFF:
        raise UsageError("there is no layer cache", hint="name its folder by `--layer-cache`")
    folder = CacheFolder(_path(named, runtime))
    now = runtime.now.timestamp()
    try:
        if settings.prune:
            folder.shrink(_limit(settings), now=now, spare=0)
            folder.tidy(now=now)
        blobs = folder.kept()
        diff_ids: dict[str, str] = {entry.digest: entry.diff_id for entry in folder.names()}
    except OSError as error:
        raise ResourceError(
            f"the layer cache {folder.path} can't be read: {error.strerror or error}",
            hint="run as the user that it belongs to, or remove it",
        ) from error
    layers = [
        KeptLayer(blob.digest, diff_ids.get(blob.digest, ""), blob.size, now - blob.used) for blob in blobs
    ]
    return folder.path, tuple(reversed(layers))


def _limit(settings: Settings) -> int:
    return (settings.layer_cache_size or 0) * _MEGABYTE


def _default(runtime: Runtime) -> str:
    """https://specifications.freedesktop.org/basedir-spec/latest/: a path that is not absolute counts as none.

    Off for who has no home, as in a container or a sandbox.
    """
    given = Path(runtime.environ.get("XDG_CACHE_HOME") or "")
    if given.is_absolute():
        return str(given / "flakeship")
    homeless = runtime.home == Path("/") or not runtime.home.is_dir()
    return _OFF if homeless else str(runtime.home / ".cache/flakeship")


def _path(text: str, runtime: Runtime) -> Path:
    return runtime.home / text[2:] if text.startswith("~/") else runtime.cwd / text
