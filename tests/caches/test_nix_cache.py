"""The input `nix-cache` in the room of caches: which Nix reads it, and what is said where none does."""

from __future__ import annotations

import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from pytest_mock import MockerFixture

from flakeship.caches import CacheInputs, opened
from flakeship.caches.packs.outgoing import Outgoing
from flakeship.caches.packs.reader import PackCache
from flakeship.caches.place import LayoutPlace, NixCache, RegistryPlace, StorePlace
from flakeship.caches.plan import KeptResults
from flakeship.events import CachesTold, Command, DerivationBuilt
from flakeship.nix.build import BuildOutput
from flakeship.nix.command import Nix
from flakeship.registry.reference import Reference
from tests.caches.conftest import EventRecord, tools_of
from tests.caches.packs.scene import MAIN, Scene, some_paths
from tests.caches.packs.test_signing import MINE
from tests.testbed.nix import NixBuild

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


def test_nobody_waits_for_roots_before_nix_asks(
    nix: Nix, kept: KeptResults, record: EventRecord, tmp_path: Path, mocker: MockerFixture
) -> None:
    """Nix evaluates while a registry that is far away is read."""
    (info, *_), come = some_paths(2), threading.Event()
    with ExitStack() as stack:
        scene = Scene(tmp_path, stack)
        cache = scene.cache(scene.layout())

        def comes(*_: object, **__: object) -> PackCache:
            assert come.wait(10)
            return cache

        mocker.patch("flakeship.caches.kept_in_packs.open_cache", comes)
        tools = dataclasses.replace(tools_of(nix, record, tmp_path), client=mocker.Mock())
        place = NixCache(RegistryPlace(Reference.parse("registry.example/cache")))
        with opened(CacheInputs(kept=dataclasses.replace(kept, cache=place)), tools) as plan:
            (url,) = plan.substituters.names
            with ThreadPoolExecutor(1) as pool:
                asked = pool.submit(urlopen, f"{url.partition('?')[0]}/{info.hash_part}.narinfo")
                with pytest.raises(TimeoutError):
                    asked.result(0.1)
                come.set()
                with asked.result(10) as answer:
                    assert f"StorePath: {info.path}".encode() in answer.read()


def test_results_are_kept_while_the_image_is_pushed(
    nix: Nix, shapes: NixBuild, record: EventRecord, tmp_path: Path
) -> None:
    """All is in the cache before the run ends, and Nix is asked one question: what its derivation makes is known from the build."""
    path, drv = str(shapes("hello")), "/nix/store/none.drv"
    known = {"outputs": {"out": {"path": path}, "gone": {"path": f"/nix/store/{'0' * 32}-gone"}}}
    place = KeptResults(
        cache=NixCache(LayoutPlace(tmp_path / "layout")), ref=MAIN.ref, attributes=MAIN.attributes
    )
    root = tmp_path / "layout/index.json"
    with opened(
        CacheInputs(kept=place), tools_of(dataclasses.replace(nix, emit=record), record, tmp_path)
    ) as plan:
        record.events.clear()
        (heard,), (built,), (all_built,) = plan.heard, plan.built, plan.all_built
        heard(DerivationBuilt(drv))
        built(BuildOutput(drv, {"out": path}, "", known))
        all_built()
        deadline = time.monotonic() + 20
        while MAIN.tag not in (root.read_text() if root.exists() else ""):
            assert time.monotonic() < deadline, record.warnings
            time.sleep(0.02)
        written = root.read_bytes()
    assert root.read_bytes() == written
    (told,) = (event.text for event in record.events if isinstance(event, CachesTold))
    assert "1 new in" in told
    asked = [event.argv[1] for event in record.events if isinstance(event, Command)]
    assert asked[0] == "path-info"
    assert len(asked) <= 3, "one, and two more where an output is not there"


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


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("kind", ["packs", "folder"])
def test_nix_takes_what_the_key_has_signed_and_without_a_key_all(
    nix: Nix, kept: KeptResults, record: EventRecord, *, tmp_path: Path, kind: str, signed: bool
) -> None:
    """A cache with a key is not trusted: Nix itself checks the signature of each path."""
    given = dataclasses.replace(kept, key=MINE if signed else None)
    if kind == "folder":
        (tmp_path / "plain").mkdir()
        given = dataclasses.replace(given, cache=NixCache(StorePlace(f"file://{tmp_path}/plain")))
    with opened(CacheInputs(kept=given), tools_of(nix, record, tmp_path)) as plan:
        (url,) = plan.substituters.names
        keys = dict(plan.options).get("extra-trusted-public-keys", "")
    assert url.endswith("?trusted=1") != signed
    assert keys == (str(MINE.public) if signed else "")


def test_a_run_waits_for_no_cache_longer_than_it_may(
    nix: Nix,
    kept: KeptResults,
    record: EventRecord,
    *,
    tmp_path: Path,
    mocker: MockerFixture,
    shapes: NixBuild,
) -> None:
    """There is something to send when the time begins, however long Nix takes to tell of it."""
    over, there, put = threading.Event(), threading.Event(), Outgoing.put

    def noted(*given: Any, **named: Any) -> None:
        put(*given, **named)
        there.set()

    mocker.patch.object(Outgoing, "put", noted)
    mocker.patch("flakeship.caches.nix_cache._DRAIN_SECONDS", 1.5)
    mocker.patch(
        "flakeship.caches.packs.layout.LayoutRepository.upload", side_effect=lambda *_: over.wait(200)
    )
    writes = dataclasses.replace(kept, read_only="")
    with opened(CacheInputs(kept=writes), tools_of(nix, record, tmp_path)) as plan:
        for built in plan.built:
            built(BuildOutput("", {"out": str(shapes("chatty"))}, ""))
        assert there.wait(100)
        begun = time.monotonic()
    took = time.monotonic() - begun
    over.set()
    assert took < 100
    (warning,) = record.warnings
    assert "could not be sent in time" in warning
