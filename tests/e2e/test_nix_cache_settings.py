"""`--nix-cache` beside settings that users have, with each version of Nix, also where half of the cache is gone: exit code 0, at most one warning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flakeship.caches.packs.layout import LayoutRepository
from flakeship.caches.packs.repository import read_root
from tests.e2e.test_nix_cache import built, flake, told
from tests.testbed.own_store import OwnStores

__all__ = ["flake"]

pytestmark = [pytest.mark.slow, pytest.mark.long]

SETTINGS = {
    "no fallback": "fallback = false",
    "signatures": "require-sigs = true",
    "short timeouts": "connect-timeout = 1\nstalled-download-timeout = 1",
    "a cache of its own": "connect-timeout = 5",
    "nothing is substituted": "substitute = false",
}


@pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "packs are gone"])
@pytest.mark.parametrize("suite", ["", "trixie"], ids=["Nix here", "Nix 2.26"])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_of_nix(
    cold: OwnStores,
    other_nix: Callable[..., Path],
    flake: Path,
    tmp_path: Path,
    *,
    name: str,
    suite: str,
    is_whole: bool,
) -> None:
    if name == "a cache of its own":
        file = flake / "flake.nix"
        own = 'nixConfig.extra-substituters = [ "http://127.0.0.1:9/" ];'
        file.write_text(file.read_text().replace("{", f"{{ {own}", 1))
    cache = tmp_path / "cache"
    flags: tuple[str, ...] = (
        "--flake",
        "path:.#hello",
        "--to",
        f"oci:{tmp_path}/x",
        "--reuse",
        "off",
        "--accept-flake-config",
        "true",
    )
    flags += ("--nix-cache", f"oci:{cache}", "--nix-config", SETTINGS[name])
    first = cold().publish(*flags, cwd=flake)
    assert told(first.stderr).startswith("1 derivation built here; 2 new in"), first.stderr
    if not is_whole:
        repository = LayoutRepository(cache)
        root = read_root(repository, *repository.tags())
        assert root
        for digest, _ in root.manifest.packs:
            (cache / "blobs/sha256" / digest.partition(":")[2]).unlink()
    runner = cold()
    path = f"{other_nix(suite, store=True)}:{runner.environ['PATH']}" if suite else runner.environ["PATH"]
    again = runner.publish(*flags, cwd=flake, PATH=path)
    assert again.code == 0, again.stderr
    takes = is_whole and name != "nothing is substituted"
    assert built(again.stderr) == ([] if takes else ["hello-2.12"]), again.stderr
    warnings = [line for line in again.stderr.splitlines() if line.startswith("warning: ")]
    assert all(f"oci:{cache}" in line for line in warnings), again.stderr
    assert len(warnings) <= (not is_whole), again.stderr
