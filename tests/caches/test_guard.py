"""What Nix is answered through the loopback server where another cache has a fault. Nix itself asks in test_faults.py."""

from __future__ import annotations

import hashlib
import http.client
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from flakeship.caches.loopback.budget import Budget
from flakeship.caches.loopback.credentials import HostCredentials
from flakeship.caches.loopback.guard import Guard
from flakeship.caches.loopback.patience import Patience
from flakeship.caches.loopback.server import Loopback
from flakeship.caches.loopback.upstream import Limits, Upstream
from flakeship.caches.nar_entry import NarEntry, narinfo_of
from tests.caches.asking import ask
from tests.caches.conftest import EventRecord, transport
from tests.caches.faulty import (
    ALIKE,
    FAULTS,
    HANG_SECONDS,
    HARMLESS,
    FaultyCache,
    FaultyHandler,
    faulty,
)

HASH: Final = "0" * 32
NAR: Final = bytes(range(256)) * 40
QUICK: Final = Limits(connect=1.0, answer=1.0, budget=1.2)
WAITED_FOR: Final = "answer|refused|broke"
"""Reasons of faults for which a cache is asked until the budget is used up, or is waited for."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the files of a cache with one path, and a large one."""
    (tmp_path / "nar").mkdir()
    (tmp_path / "nix-cache-info").write_text("StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 33\n")
    for hash_part, nar in ((HASH, NAR), ("1" * 32, NAR * 1000)):
        entry = NarEntry(
            path=f"/nix/store/{hash_part}-x",
            nar_hash=hashlib.sha256(nar).digest(),
            nar_size=len(nar),
            frame=hashlib.sha256(nar).digest(),
            frame_size=len(nar),
            compression="none",
        )
        (tmp_path / f"{hash_part}.narinfo").write_bytes(narinfo_of(entry, f"nar/{hash_part}.nar"))
        (tmp_path / f"nar/{hash_part}.nar").write_bytes(nar)
    return tmp_path


class Guarded:
    """`guarded(url)` is where the cache at `url` is served through a guard, which reports to `record`."""

    def __init__(self, record: EventRecord, folder: Path) -> None:
        self.record, self.folder = record, folder
        self.servers: list[Loopback] = []
        self.limit(Limits())

    def limit(self, limits: Limits) -> None:
        """Use other limits than those of users from now on."""
        self.limits, self.budget = limits, Budget(limits.budget, time.monotonic)

    def __call__(self, url: str) -> str:
        server = Loopback()
        self.servers.append(server)
        patience = Patience(url, budget=self.budget, now=time.monotonic, emit=self.record)
        upstream = Upstream(url, transport(), HostCredentials(), self.limits)
        return server.serve(1, Guard(upstream, patience, self.folder))

    def close(self) -> None:
        for server in self.servers:
            server.close()
        self.servers.clear()


@pytest.fixture
def guarded(tmp_path: Path, record: EventRecord) -> Iterator[Guarded]:
    made = Guarded(record, tmp_path)
    yield made
    made.close()


def path_from(url: str, hash_part: str = HASH) -> tuple[list[int], bytes]:
    """Ask as Nix does for a path: the statuses of narinfo and NAR, and the NAR."""
    status, narinfo = ask(f"{url}/{hash_part}.narinfo")
    if status != 200:
        return [status], b""
    (nar,) = re.findall(rb"(?m)^URL: (.*)$", narinfo)
    last, data = ask(f"{url}/{nar.decode()}")
    return [status, last], data


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if name in ALIKE else ())
        for name in FAULTS
        if name not in HARMLESS and "lying" not in name
    ],
)
def test_a_fault_is_not_there_and_one_warning(
    folder: Path, guarded: Guarded, record: EventRecord, name: str
) -> None:
    if re.search(WAITED_FOR, FAULTS[name][2]):  # a busy machine may take as long for one that fails at once
        guarded.limit(QUICK)
    with faulty(folder, name).served() as cache:
        url = guarded(cache.url)
        assert ask(f"{url}/nix-cache-info")[0] == 200
        began = time.monotonic()
        statuses, data = path_from(url)
        assert statuses[-1] == 404
        assert data == b""
        path_from(url, "2" * 32)
        assert time.monotonic() - began < HANG_SECONDS
        guarded.close()
    reason = FAULTS[name][2]
    assert len(record.warnings) == bool(reason)
    if reason:
        assert cache.url in record.warnings[0]
        assert re.search(reason, record.warnings[0])


@pytest.mark.parametrize("name", ["", *sorted(HARMLESS)])
@pytest.mark.parametrize("hash_part", [HASH, "1" * 32])
def test_what_is_no_fault_is_served_whole(
    folder: Path, guarded: Guarded, record: EventRecord, name: str, hash_part: str
) -> None:
    with faulty(folder, name).served() as cache:
        url = guarded(cache.url)
        assert ask(f"{url}/nix-cache-info") == (
            200,
            b"StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 33\n",
        )
        statuses, data = path_from(url, hash_part)
    assert statuses == [200, 200]
    assert data == (folder / f"nar/{hash_part}.nar").read_bytes()
    assert record.warnings == []


LARGE: Final = "1" * 32


def test_a_large_file_goes_on_where_it_broke(folder: Path, guarded: Guarded, record: EventRecord) -> None:
    """The cache breaks off three times, and gives parts when it is asked for them."""
    breaks = iter(range(3))

    def cut(handler: FaultyHandler, data: bytes) -> None:
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        part = data[start:]
        told = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        sent = part[: len(part) // 2] if next(breaks, None) is not None else part
        handler.give(sent, status=206 if start else 200, size=len(part), headers=told)
        handler.close_connection = True

    with FaultyCache(folder, {"nar": cut}).served() as cache:
        url = guarded(cache.url)
        assert path_from(url, LARGE) == ([200, 200], NAR * 1000)
        assert ask(f"{url}/nar/{LARGE}.nar", Range="bytes=300001-") == (206, (NAR * 1000)[300001:])
    assert record.warnings == []


def test_a_large_file_that_is_corrupt_lacks_its_end_and_is_not_there_again(
    folder: Path, guarded: Guarded, record: EventRecord
) -> None:
    with faulty(folder, "a nar is corrupt").served() as cache:
        url = guarded(cache.url)
        with pytest.raises(http.client.IncompleteRead) as caught:
            path_from(url, LARGE)
        assert len(caught.value.partial) < len(NAR) * 1000
        assert ask(f"{url}/nar/{LARGE}.nar", Range="bytes=4000-")[0] == 404
    assert guarded.servers[0].broken == 1
    (warning,) = record.warnings
    assert "not the hash" in warning


def test_a_cache_that_recovers_loses_nothing(folder: Path, guarded: Guarded, record: EventRecord) -> None:
    failures = iter(range(2))

    def restart(handler: FaultyHandler, data: bytes) -> None:
        handler.give(data, status=503 if next(failures, None) is not None else 200)

    with FaultyCache(folder, {"narinfo": restart}).served() as cache:
        assert path_from(guarded(cache.url)) == ([200, 200], NAR)
    assert record.warnings == []


def test_after_its_time_nothing_is_asked(folder: Path, guarded: Guarded) -> None:
    guarded.limit(QUICK)
    with faulty(folder, "500 on narinfo").served() as cache:
        url = guarded(cache.url)
        path_from(url)
        count = len(cache.requests)
        assert [ask(f"{url}/{letter * 32}.narinfo") for letter in "abcd"] == [(404, b"")] * 4
        assert len(cache.requests) == count


def test_one_cache_that_fails_does_not_take_another_with_it(folder: Path, guarded: Guarded) -> None:
    guarded.limit(replace(QUICK, answer=20.0))
    with faulty(folder, "500 on narinfo").served() as broken, faulty(folder).served() as good:
        urls = guarded(broken.url), guarded(good.url)
        assert path_from(urls[0]) == ([404], b"")
        assert path_from(urls[1]) == ([200, 200], NAR)


def test_a_cache_for_another_store_gives_nothing(folder: Path, guarded: Guarded, record: EventRecord) -> None:
    (folder / "nix-cache-info").write_text("StoreDir: /srv/store\n")
    with faulty(folder).served() as cache:
        url = guarded(cache.url)
        assert ask(f"{url}/nix-cache-info")[1].startswith(b"StoreDir: /nix/store\n")
        assert path_from(url) == ([404], b"")
    assert "for the store /srv/store" in record.warnings[0]
