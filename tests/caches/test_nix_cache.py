"""The input `nix-cache` in the room of caches: which Nix reads it, and what is said where none does."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from flakeship.caches import CacheInputs, opened
from flakeship.caches.place import LayoutPlace, NixCache
from flakeship.caches.plan import KeptResults
from flakeship.events import CachesTold
from flakeship.nix.command import Nix
from tests.caches.conftest import EventRecord, tools_of
from tests.caches.packs.scene import MAIN, Scene, some_paths

pytestmark = pytest.mark.slow


@pytest.fixture
def kept(tmp_path: Path) -> KeptResults:
    """A cache that holds something, to which nothing may be written."""
    with ExitStack() as stack:
        scene = Scene(tmp_path, stack)
        scene.write(scene.layout(), some_paths(2))
    place = NixCache(LayoutPlace(tmp_path / "layout"))
    return KeptResults(cache=place, ref=MAIN.ref, attributes=MAIN.attributes, read_only="`push` is false")


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("", ""),
        ("may_choose_substituters", "add the user to trusted-users in /etc/nix/nix.conf"),
        ("through.may_reach_us", "its daemon can't reach what runs here"),
        ("loopback.server.Loopback.is_reached", "connections to 127.0.0.1 do not arrive here"),
    ],
)
def test_a_nix_that_can_not_read_the_cache_is_told_of_once(
    nix: Nix,
    kept: KeptResults,
    record: EventRecord,
    tmp_path: Path,
    mocker: MockerFixture,
    *,
    missing: str,
    said: str,
) -> None:
    if missing:
        mocker.patch(f"flakeship.caches.{missing}", return_value=False)
    with opened(CacheInputs(kept=kept), tools_of(nix, record, tmp_path)) as plan:
        used = dict(plan.substituters.names)
    assert list(used.values()) == ([] if missing else [f"the cache oci:{tmp_path}/layout"])
    assert len(record.warnings) == bool(missing)
    assert said in "".join(record.warnings)
    (told,) = (event.text for event in record.events if isinstance(event, CachesTold))
    assert told.endswith(", from which Nix could take nothing") == bool(missing)


def test_an_empty_cache_is_not_asked(
    nix: Nix, kept: KeptResults, record: EventRecord, tmp_path: Path
) -> None:
    empty = dataclasses.replace(kept, cache=NixCache(LayoutPlace(tmp_path / "none")))
    with opened(CacheInputs(kept=empty), tools_of(nix, record, tmp_path)) as plan:
        assert not plan.substituters.names
    assert not record.warnings
    assert not (tmp_path / "none").exists()
    (told,) = (event.text for event in record.events if isinstance(event, CachesTold))
    assert told.startswith("Nix: 0 derivations built here; nothing new in the cache oci:")
