"""What a server can answer to a run that keeps its results there: each is one clear line, and the run goes on."""

from __future__ import annotations

import functools
import http.server
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from flakeship.caches.kept_in_store import StoreKeeper
from flakeship.caches.place import NixCache, StorePlace
from flakeship.caches.plan import KeptResults
from flakeship.nix.command import Nix
from tests.caches.conftest import EventRecord, serving, tools_of
from tests.caches.packs.scene import some_paths
from tests.caches.test_pushed import Server

PATHS: Final = some_paths(2)
MethodAnswers: TypeAlias = dict[str, int]


class Refusing(Server, http.server.SimpleHTTPRequestHandler):
    """A binary cache that takes PUT, and answers some methods by a status."""

    statuses: MethodAnswers

    def _is_refused(self) -> bool:
        status = self.statuses.get(self.command)
        if status:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
        return bool(status)

    def do_GET(self) -> None:
        if not self._is_refused():
            super().do_GET()

    def do_HEAD(self) -> None:
        if not self._is_refused():
            super().do_HEAD()

    def do_PUT(self) -> None:
        if not self._is_refused():
            super().do_PUT()


Keep: TypeAlias = Callable[..., StoreKeeper]


@pytest.fixture
def statuses() -> MethodAnswers:
    return {}


@pytest.fixture
def opened(statuses: MethodAnswers, nix: Nix, record: EventRecord, tmp_path: Path) -> Iterator[Keep]:
    (tmp_path / "plain").mkdir()
    handler = type("Handler", (Refusing,), {"statuses": statuses})
    with serving(functools.partial(handler, directory=str(tmp_path / "plain"))) as url:
        yield lambda: StoreKeeper(
            KeptResults(cache=NixCache(StorePlace(url))), tools_of(nix, record, tmp_path), netrc_file=""
        )


def kept(keeper: StoreKeeper) -> int:
    """How many paths a run keeps."""
    if keeper.taker is None:
        return 0
    for info, nar in PATHS.items():
        if not keeper.held([info.hash_part]):
            keeper.taker.add(info, [nar])
    pushed = keeper.finish(20)
    return pushed.paths if pushed else 0


def test_an_empty_server_is_begun(opened: Keep, record: EventRecord) -> None:
    """Nix would not take it for a cache: it has no nix-cache-info yet."""
    first = opened()
    assert first.part.substituters == ()
    assert kept(first) == len(PATHS)
    assert opened().part.substituters
    assert not record.warnings


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_a_server_that_may_not_be_read_is_left_out(
    opened: Keep, statuses: MethodAnswers, record: EventRecord, status: int
) -> None:
    statuses.update(GET=status, HEAD=status)
    keeper = opened()
    assert (keeper.part.substituters, kept(keeper)) == ((), 0)
    (warning,) = record.warnings
    assert "is left out: " in warning
    assert f"answers {status}: check the address and its password" in warning


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (401, "a netrc file with a password that may write there"),
        (403, "a netrc file with a password that may write there"),
        (404, "that the server takes PUT there"),
        (405, "that the server takes PUT there"),
        (413, "larger files"),
        (429, "run again later"),
        (507, "free space on the server"),
    ],
)
def test_a_server_that_may_not_be_written(
    opened: Keep, statuses: MethodAnswers, record: EventRecord, status: int, hint: str
) -> None:
    statuses.update(PUT=status)
    assert kept(opened()) == 0
    (warning,) = record.warnings
    assert f"it answers {status} to PUT" in warning
    assert hint in warning
