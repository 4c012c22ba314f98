"""Builds with real Nix and a cache that has a fault: the build succeeds, soon, and with one warning."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from pytest_mock import MockerFixture

from flakeship.caches import CacheInputs, opened
from flakeship.caches.loopback.upstream import Limits
from flakeship.events import BuildLog, ignore
from flakeship.nix.build import build
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from tests.caches.conftest import EventRecord, SignedCache, tools_of
from tests.caches.faulty import FAULTS, HARMLESS, faulty
from tests.testbed.nix import MakeFlake

pytestmark = pytest.mark.slow

TELLING: Final = (
    "500 on narinfo",
    "a narinfo is never sent",
    "a nar is corrupt",
    "a nar is truncated",
    "the port is closed meanwhile",
    "a lying NarHash",
    "401 on narinfo",
)
"""What Nix 2.8 fails or aborts over without the guard, or makes nothing of."""


def check_build(
    name: str, nix: Nix, cache_folder: Path, key: str, flake: Path, record: EventRecord, scratch: Path
) -> float:
    """Build `chatty` with a cache that has a fault, and return the seconds that it took."""
    with faulty(cache_folder, name).served() as cache:
        unsigned = "?trusted=1" if "lying" in name else ""
        inputs = CacheInputs(substituters=(cache.url + unsigned,), trusted_public_keys=(key,))
        began = time.monotonic()
        with opened(inputs, tools_of(nix, record, scratch)) as plan:
            build(plan.applied(nix), Installable.parse(".#chatty", cwd=str(flake)), emit=record)
        took = time.monotonic() - began
        log = [event.line for event in record.events if isinstance(event, BuildLog)]
    harmless = name in HARMLESS or not name
    assert ("chatty> one" in log) != harmless, log
    assert any(cache.url in line for line in log) or not harmless
    quiet = harmless or not FAULTS[name][2]
    expected = 1 if "lying" in name else int(not quiet)
    assert len(record.warnings) == expected, [*record.warnings, *log, *map(str, record.events)]
    assert not any("127.0.0.1" in line and cache.url not in line for line in log), log
    if not quiet:
        assert re.search(FAULTS[name][2], record.warnings[0])
    return took


@pytest.fixture
def quick(mocker: MockerFixture) -> None:
    """Make the limits shorter than those of users, so that a plain run of the tests does not wait."""
    mocker.patch("flakeship.caches.loopback.upstream.Limits", functools.partial(Limits, 1.0, 1.0, 1.5))


@pytest.mark.parametrize("name", ["", *TELLING])
@pytest.mark.usefixtures("quick")
def test_nix_28_builds_with_a_cache_that_has_a_fault(
    other_store: Nix,
    signed_cache: SignedCache,
    record: EventRecord,
    make_flake: MakeFlake,
    tmp_path: Path,
    name: str,
) -> None:
    key = signed_cache.public_key
    assert check_build(name, other_store, tmp_path / "cache", key, make_flake(), record, tmp_path) < 10


@pytest.mark.long
@pytest.mark.parametrize("suite", ["trixie", "sid"])
@pytest.mark.parametrize("name", ["", *FAULTS])
def test_newer_nix_builds_with_a_cache_that_has_a_fault(
    other_store: Nix,
    other_nix: Callable[[str], Path],
    signed_cache: SignedCache,
    record: EventRecord,
    make_flake: MakeFlake,
    tmp_path: Path,
    *,
    name: str,
    suite: str,
) -> None:
    """Nix 2.26 and 2.34, with the limits that users get."""
    path = f"{other_nix(suite)}:{other_store.environ['PATH']}"
    nix = Nix.find(environ={**other_store.environ, "PATH": path}, emit=ignore)
    key = signed_cache.public_key
    assert check_build(name, nix, tmp_path / "cache", key, make_flake(), record, tmp_path) < 12


@pytest.mark.long
@pytest.mark.parametrize("name", FAULTS)
def test_nix_28_builds_with_every_fault(
    other_store: Nix,
    signed_cache: SignedCache,
    record: EventRecord,
    make_flake: MakeFlake,
    tmp_path: Path,
    name: str,
) -> None:
    """With the limits that users get."""
    key = signed_cache.public_key
    assert check_build(name, other_store, tmp_path / "cache", key, make_flake(), record, tmp_path) < 12
