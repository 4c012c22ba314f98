"""Who made a store path, from the real Nix and from the JSON of other versions."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from flakeship.nix.command import Nix
from flakeship.nix.provided import Provided, provided, read_provided
from tests.testbed.nix import NixBuild

PATH = "/nix/store/" + "a" * 32 + "-app"


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ([{"path": PATH, "narHash": "x", "ultimate": True}], Provided(built_here=True)),
        (
            {PATH: {"narHash": "x", "signatures": ["c.example-1:AA==", "c.example-1:BB==", "d-2:CC=="]}},
            Provided(False, ("c.example-1", "d-2")),
        ),
        (
            {PATH: {"narHash": "x", "ultimate": False, "signatures": [], "provenance": {"type": "build"}}},
            Provided(False, (), {"type": "build"}),
        ),
        ({PATH: {"narHash": "x", "ultimate": 1, "signatures": "no list"}}, Provided(built_here=False)),
    ],
)
def test_the_json_of_each_version_is_read(document: Any, found: Provided) -> None:
    assert read_provided(document) == {PATH: found}


@pytest.mark.parametrize("document", [[], {}, {PATH: None}, [{"path": PATH, "valid": False}]])
def test_what_is_not_in_the_store_is_not_known(document: Any) -> None:
    assert read_provided(document) == {}


@pytest.mark.slow
def test_what_is_built_here_and_what_another_signed(
    nix: Nix, shapes: NixBuild, tmp_path: Path, nix_environ: Mapping[str, str]
) -> None:
    """A store that gets a path from a cache keeps the signature of it, and does not take it for its own work."""
    path, key = str(shapes("hello")), tmp_path / "key"

    def run(*words: str) -> str:
        done = subprocess.run(["nix", *words], env=nix_environ, check=True, capture_output=True, text=True)
        return done.stdout

    assert provided(nix, [path]) == {path: Provided(built_here=True)}
    key.write_text(run("key", "generate-secret", "--key-name", "fixture-1"))
    cache, store = f"file://{tmp_path}/cache", f"local?root={tmp_path}/other"
    run("copy", "--to", f"{cache}?compression=none&secret-key={key}", path)
    run("copy", "--from", cache, "--to", store, "--no-check-sigs", path)
    listed = json.loads(run("path-info", "--json", "--store", store, path))
    assert read_provided(listed) == {path: Provided(built_here=False, keys=("fixture-1",))}
