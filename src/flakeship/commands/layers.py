"""The command `layers`: what the layer cache of this machine holds, and its removal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flakeship.commands.layer_cache import OFF, default_folder, folder_path
from flakeship.commands.runtime import Runtime
from flakeship.errors import ResourceError, UsageError
from flakeship.report.layer_cache import KeptLayer, layer_cache_json, layer_cache_text
from flakeship.settings.declaration import Settings
from flakeship.stores.cache_folder import CacheFolder


def run(settings: Settings, runtime: Runtime) -> str:
    """Print the layers of the cache; for `prune` remove what exceeds the limit first."""
    pruning = settings.layers_action == "prune"
    before = kept_layers(replace(settings, layers_action="list"), runtime)[1] if pruning else ()
    folder, layers = kept_layers(settings, runtime)
    there = {layer.digest for layer in layers}
    removed = [layer for layer in before if layer.digest not in there] if pruning else None
    return (layer_cache_json if settings.json else layer_cache_text)(folder, layers, removed)


def kept_layers(settings: Settings, runtime: Runtime) -> tuple[Path, tuple[KeptLayer, ...]]:
    """The folder, and the layers in it, the one used last first; for `prune` those that are left after it.

    UsageError where there is no cache, ResourceError where it can't be read.
    """
    named = settings.layer_cache or default_folder(runtime)
    if named == OFF:
        raise UsageError(
            "the layer cache is off, so there are no layers to list", hint="name its folder by `layer-cache`"
        )
    folder = CacheFolder(folder_path(named, runtime))
    now = runtime.now.timestamp()
    try:
        if settings.layers_action == "prune":
            folder.shrink(settings.layer_cache_size, now=now, spare=0)
            folder.tidy()
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
