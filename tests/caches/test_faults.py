"""Builds with real Nix and a cache that has a fault: the build succeeds, soon, and with one warning."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from pytest_mock import MockerFixture

from flakeship.caches import CacheInputs, opened
from flakeship.events import BuildLog, ignore
from flakeship.nix.build import build
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from tests.caches.conftest import EventRecord, SignedCache, tools_of
from tests.caches.faulty import FAULTS, HANG_SECONDS, HARMLESS, faulty
from tests.testbed.nix import MakeFlake

pytestmark = pytest.mark.slow

TELLING: Final = (
    "500 on narinfo",
    "a narinfo is never sent",
    "a nar is corrupt",
    "a nar is truncated",
    "the port is closed meanwhile",
    "a lying NarHash",
)
"""What Nix 2.8 fails or aborts over without the guard."""


Check = Callable[[str, Nix], float]


@pytest.fixture
def check(signed_cache: SignedCache, record: EventRecord, make_flake: MakeFlake, tmp_path: Path) -> Check:
    """`check(name, nix)` builds `chatty` with a cache that has the fault, and returns the seconds that it took."""

    def build_it(name: str, nix: Nix) -> float:
        flake = Installable.parse(".#chatty", cwd=str(make_flake()))
        with faulty(tmp_path / "cache", name).served() as cache:
            unsigned = "?trusted=1" if "lying" in name else ""
            inputs = CacheInputs(
                substituters=(cache.url + unsigned,), trusted_public_keys=(signed_cache.public_key,)
            )
            began = time.monotonic()
            with opened(inputs, tools_of(nix, record, tmp_path)) as plan:
                build(plan.applied(nix), flake, emit=record)
            took = time.monotonic() - began
        _check_log(name, cache.url, record)
        return took

    return build_it


def _check_log(name: str, url: str, record: EventRecord) -> None:
    log = [event.line for event in record.events if isinstance(event, BuildLog)]
    harmless = name in HARMLESS or not name
    assert ("chatty> one" in log) != harmless, log
    assert any(url in line for line in log) or not harmless
    assert not any("127.0.0.1" in line and url not in line for line in log), log
    reason = "hash mismatch|Nix" if "lying" in name else "" if harmless else FAULTS[name][2]
    assert len(record.warnings) == bool(reason), [*record.warnings, *log]
    assert all(re.search(reason, warning) and url in warning for warning in record.warnings)


@pytest.mark.parametrize("name", TELLING)
@pytest.mark.usefixtures("quick")
def test_nix_28_builds_with_a_cache_that_has_a_fault(other_store: Nix, check: Check, name: str) -> None:
    assert check(name, other_store) < HANG_SECONDS


@pytest.mark.long
@pytest.mark.parametrize("suite", ["trixie", "sid"])
@pytest.mark.parametrize("name", ["", *FAULTS])
def test_newer_nix_builds_with_a_cache_that_has_a_fault(
    other_store: Nix, other_nix: Callable[[str], Path], check: Check, *, name: str, suite: str
) -> None:
    """Nix 2.26 and 2.34, with the limits that users get."""
    path = f"{other_nix(suite)}:{other_store.environ['PATH']}"
    assert check(name, Nix.find(environ={**other_store.environ, "PATH": path}, emit=ignore)) < 14


@pytest.mark.long
@pytest.mark.parametrize("name", FAULTS)
def test_nix_28_builds_with_every_fault(other_store: Nix, check: Check, name: str) -> None:
    """With the limits that users get."""
    assert check(name, other_store) < 14


OF_FILES: Final = ("a nar is corrupt", "a nar is truncated", "a nar is never sent", "500 on nar")


@pytest.fixture
def streamed(mocker: MockerFixture) -> None:
    """Treat every file as a large one, of which Nix has got something when its fault shows."""
    mocker.patch("flakeship.caches.loopback.guard.CHECKED_FIRST", 0)


@pytest.mark.usefixtures("quick", "streamed")
def test_nix_28_builds_where_a_large_file_is_corrupt(other_store: Nix, check: Check) -> None:
    """It gets none of it: one that breaks off would fail the build."""
    assert check("a nar is corrupt", other_store) < HANG_SECONDS


@pytest.mark.long
@pytest.mark.parametrize("suite", ["trixie", "sid"])
@pytest.mark.parametrize("name", OF_FILES)
@pytest.mark.usefixtures("streamed")
def test_newer_nix_builds_where_a_large_file_breaks_off(
    other_store: Nix, other_nix: Callable[[str], Path], check: Check, *, name: str, suite: str
) -> None:
    path = f"{other_nix(suite)}:{other_store.environ['PATH']}"
    assert check(name, Nix.find(environ={**other_store.environ, "PATH": path}, emit=ignore)) < 14
