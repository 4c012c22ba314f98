"""Which cache Nix failed over, by its own words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flakeship.events import ignore
from flakeship.nix.command import Nix
from flakeship.nix.failure import Failure
from flakeship.nix.log import Log
from flakeship.nix.substituters import Substituters
from tests.nix.failures import INSTALLABLE

DRV = "/nix/store/zqyafdas5qfl31nxh74ymxm9804cfq68-hello-2.12.drv"
NOT_COPIED = (
    f"some substitutes for the outputs of derivation '{DRV}' failed (usually happens due to networking issues); "
    "try '--fallback' to build derivation from source"
)


@pytest.mark.parametrize(
    ("said", "cache"),
    [
        (NOT_COPIED, "oci:c"),
        ("hash mismatch importing path '/nix/store/x'", "oci:c"),
        ("unable to download from 'the cache oci:c'", "oci:c"),
        (f"builder for '{DRV}' failed with exit code 3", ""),
    ],
)
def test_the_cache_is_known_by_what_nix_says(nix: Nix, said: str, cache: str) -> None:
    log = Log(ignore, errors=[said])
    ours = replace(nix, substituters=Substituters({"http://127.0.0.1:1/x": "the cache oci:c"}))
    assert Failure(ours, INSTALLABLE, 1, log).cache == cache
    assert Failure(nix, INSTALLABLE, 1, log).cache == "", (
        "a run without caches of its own has none to leave out"
    )
