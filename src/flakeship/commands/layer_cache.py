"""The layer cache of this machine: where it is, whether a run uses it and how large it may be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flakeship import events
from flakeship.ci.platforms import is_ci
from flakeship.commands.runtime import Runtime
from flakeship.image.compress import Compression
from flakeship.image.media_types import Family
from flakeship.image.pack import LayerStore
from flakeship.settings.declaration import Settings

OFF: Final = "off"


@dataclass(frozen=True, slots=True)
class LayerCache:
    """The cache before the temporary store of one image. `folder` is None if the cache is off; `limit` is in bytes."""

    folder: Path | None
    limit: int

    @classmethod
    def of(cls, settings: Settings, runtime: Runtime) -> LayerCache:
        """Used everywhere but in CI unless the input says otherwise, and only where published layers are trusted."""
        named = settings.layer_cache or (OFF if is_ci(runtime.environ) else default_folder(runtime))
        unused = named == OFF or settings.reuse != "trust"
        return cls(None if unused else folder_path(named, runtime), settings.layer_cache_size)

    def in_front_of(
        self, behind: LayerStore, compression: Compression, family: Family, *, now: float, emit: events.Emit
    ) -> LayerStore:
        """Return a store that asks the cache first, then `behind`.

        It is `behind` alone where nothing is compressed: then a layer is made as fast as it is read. `now` is in seconds
        since 1970.
        """
        if self.folder is None or compression.algorithm == "none":
            return behind
        from flakeship.stores.cache import CachedLayers  # in CI the cache is off
        from flakeship.stores.cache_folder import CacheFolder

        return CachedLayers(
            CacheFolder(self.folder),
            behind,
            compression=compression,
            family=family,
            limit=self.limit,
            now=now,
            emit=emit,
        )


def default_folder(runtime: Runtime) -> str:
    """Return the usual folder of the cache; `off` for a user without a home, as in a container or a sandbox.

    https://specifications.freedesktop.org/basedir-spec/latest/: an XDG_CACHE_HOME that is not absolute is ignored.
    """
    given = Path(runtime.environ.get("XDG_CACHE_HOME") or "")
    if given.is_absolute():
        return str(given / "flakeship")
    homeless = runtime.home == Path("/") or not runtime.home.is_dir()
    return OFF if homeless else str(runtime.home / ".cache/flakeship")


def folder_path(text: str, runtime: Runtime) -> Path:
    """Return the path that the user wrote: below the home folder after `~/`, else relative to the current folder."""
    return runtime.home / text[2:] if text.startswith("~/") else runtime.cwd / text
