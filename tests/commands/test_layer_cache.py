"""Where the layer cache is, whether it is used, and what `flakeship layers` says of it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from flakeship.commands.layer_cache import LayerCache
from flakeship.commands.layers import kept_layers, run
from flakeship.commands.runtime import Runtime
from flakeship.errors import ResourceError, UsageError
from flakeship.image.compress import Compression
from flakeship.image.media_types import OCI
from flakeship.report.layer_cache import KeptLayer, layer_cache_json, layer_cache_text
from flakeship.settings.declaration import Settings
from flakeship.stores.cache import CachedLayers
from flakeship.stores.temporary import TemporaryStore
from tests.runtimes import runtime as runtime_of
from tests.stores import caching

CI = {"GITHUB_ACTIONS": "true", "CI": "true"}


def folder_of(runtime: Runtime, compression: Compression = Compression(), **asked: Any) -> str:  # noqa: B008  a frozen value
    """Where the cache is that a run would use; empty for none."""
    behind = TemporaryStore(runtime.cwd)
    cache = LayerCache.of(Settings(**asked), runtime)
    store = cache.in_front_of(behind, compression, OCI, now=0, emit=runtime.emit)
    if store is behind:
        return ""
    assert isinstance(store, CachedLayers)
    return str(store.folder.path)


@pytest.mark.parametrize(
    ("environ", "asked", "folder"),
    [
        ({}, {}, "{home}/.cache/flakeship"),
        ({"XDG_CACHE_HOME": "/xdg"}, {}, "/xdg/flakeship"),
        ({"XDG_CACHE_HOME": "not/absolute"}, {}, "{home}/.cache/flakeship"),
        ({"XDG_CACHE_HOME": ""}, {}, "{home}/.cache/flakeship"),
        ({}, {"layer_cache": "off"}, ""),
        (CI, {}, ""),
        ({"GITLAB_CI": "true"}, {}, ""),
        ({"CI": "1"}, {}, ""),
        ({"CI": "false"}, {}, "{home}/.cache/flakeship"),
        (CI, {"layer_cache": "here"}, "{home}/here"),
        (CI, {"layer_cache": "/there"}, "/there"),
        ({}, {"layer_cache": "~/there"}, "{home}/there"),
        ({}, {"reuse": "off"}, ""),
        ({}, {"reuse": "verify", "layer_cache": "/there"}, ""),
    ],
)
def test_where_it_is(
    tmp_path: Path, environ: Mapping[str, str], asked: Mapping[str, Any], folder: str
) -> None:
    runtime, _ = runtime_of(tmp_path, environ)
    assert folder_of(runtime, **asked) == folder.format(home=tmp_path)


@pytest.mark.parametrize("home", ["/", "/nonexistent"])
def test_who_has_no_home_has_none(tmp_path: Path, home: str) -> None:
    runtime = replace(runtime_of(tmp_path)[0], home=Path(home))
    assert not folder_of(runtime)
    with pytest.raises(UsageError, match="the layer cache is off"):
        kept_layers(Settings(), runtime)


def test_what_is_not_compressed_is_not_kept(tmp_path: Path) -> None:
    runtime, _ = runtime_of(tmp_path)
    assert not folder_of(runtime, Compression("none", 0))
    assert folder_of(runtime, Compression("zstd", 3))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """With three layers of 5000 bytes, used in the order of their names."""
    folder = tmp_path / "cache"
    for number, name in enumerate("abc"):
        caching.run(folder, caching.layer(name))
        for blob in caching.blobs(folder):
            if blob.stat().st_mtime == caching.NOW:
                os.utime(blob, (number, number))
    return folder


def test_it_is_listed(tmp_path: Path, cache: Path) -> None:
    runtime, _ = runtime_of(tmp_path)
    folder, layers = kept_layers(Settings(layer_cache=str(cache)), runtime)
    assert folder == cache
    assert [layer.size for layer in layers] == [5000] * 3
    assert [layer.idle for layer in layers] == sorted(layer.idle for layer in layers)
    assert layers[0].diff_id == layers[0].digest, "nothing was compressed"
    text = layer_cache_text(folder, layers).splitlines()
    assert text[0] == f"{cache}: 3 layers, 15.0 kB"
    assert text[1].startswith(layers[0].digest[:19])
    document = json.loads(layer_cache_json(folder, layers))
    assert document["size"] == 15000
    assert cast("list[Any]", document["layers"])[2]["digest"] == layers[2].digest


def test_it_is_pruned(tmp_path: Path, cache: Path) -> None:
    runtime, _ = runtime_of(tmp_path)
    _, before = kept_layers(Settings(layer_cache=str(cache)), runtime)
    caching.run(cache, caching.layer("large", size=990_000), limit=1_010_000)
    asked = Settings(layer_cache=str(cache), layer_cache_size=1_000_000, layers_action="prune")
    _, layers = kept_layers(asked, runtime)
    assert [layer.size for layer in layers] == [990_000, 5000, 5000]
    assert layers[1:] == before[:2], "the one used longest ago has gone"
    told = run(replace(asked, layer_cache_size=0), runtime)
    assert told.splitlines() == ["removed 3 layers, 1.0 MB", f"{cache}: 0 layers, 0 B"]
    assert not list(cache.rglob("*.json"))


def test_there_is_none_yet(tmp_path: Path) -> None:
    runtime, _ = runtime_of(tmp_path)
    folder = tmp_path / ".cache/flakeship"
    assert kept_layers(Settings(), runtime) == (folder, ())
    assert kept_layers(Settings(layers_action="prune"), runtime) == (folder, ())
    assert not folder.exists()


def test_it_is_off(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        kept_layers(Settings(layer_cache="off"), runtime_of(tmp_path)[0])
    assert "`layer-cache`" in caught.value.hint


def test_it_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError) as caught:
        kept_layers(Settings(layer_cache="file"), runtime_of(tmp_path)[0])
    assert f"the layer cache {tmp_path}/file can't be read: Not a directory" in caught.value.message
    assert "as the user that it belongs to" in caught.value.hint


@pytest.mark.parametrize(
    ("idle", "text"),
    [(0, "now"), (-5, "now"), (59, "59 s ago"), (61, "1 min ago"), (7300, "2 h ago"), (900_000, "10 d ago")],
)
def test_how_long_ago(idle: float, text: str) -> None:
    assert layer_cache_text(Path("x"), [KeptLayer("sha256:ab", "", 1, idle)]).endswith(text)
