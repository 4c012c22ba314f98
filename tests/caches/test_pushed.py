"""Which paths of a run are kept, and what happens to those that can't be."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import hashlib
import http.server
import lzma
import random
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import pytest
import zstandard

from flakeship.caches import CacheInputs, opened
from flakeship.caches.feeding import Feeder
from flakeship.caches.kept_in_store import StoreKeeper
from flakeship.caches.nar_entry import PathInfo
from flakeship.caches.place import NixCache, StorePlace
from flakeship.caches.plan import KeptResults
from flakeship.caches.pushed import is_image, path_info, to_push
from flakeship.caches.told import Told
from flakeship.errors import Error
from flakeship.events import BuildLog, DerivationBuilt, PathSubstituted
from flakeship.image.nar.writer import nar_pieces
from flakeship.nix.build import BuildOutput
from flakeship.nix.command import Nix
from flakeship.nix.stored import closure_of, outputs_of
from flakeship.store_paths import hash_of
from tests.caches.conftest import EventRecord, serving, tools_of
from tests.testbed.nix import NixBuild

TAR = b"x" * 257 + b"ustar\x0000" + bytes(1000)
UPSTREAM = "cache.example.org-1"


@pytest.mark.parametrize(
    ("begin", "image"),
    [
        (TAR, True),
        (gzip.compress(TAR, mtime=0), True),
        (lzma.compress(TAR), True),
        (zstandard.compress(TAR), True),
        (gzip.compress(b"words " * 1000, mtime=0), False),
        (zstandard.compress(b"words"), False),
        (b"\x1f\x8b\x08", False),
        (b"#!/nix/store/x/bin/python3", False),
        (b'{"layers": []}', False),
        (b"\x7fELF", False),
        (b"", False),
    ],
)
def test_an_image_is_known_by_how_it_begins(tmp_path: Path, begin: bytes, *, image: bool) -> None:
    (tmp_path / "x").write_bytes(begin)
    assert is_image(tmp_path / "x") == image


@pytest.mark.parametrize(("file", "image"), [("oci-layout", True), ("layer.tar", True), ("bin/x.tar", False)])
def test_a_layout_and_a_layer_of_build_image_are_images(tmp_path: Path, file: str, *, image: bool) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    assert is_image(tmp_path) == image


@pytest.mark.slow
def test_what_is_built_is_kept_without_sources_and_what_other_caches_have(nix: Nix, shapes: NixBuild) -> None:
    hello, linked = str(shapes("hello")), str(shapes("script-linked"))
    (built,) = (each for each in closure_of(nix, [linked]) if each.path == linked)
    doc = outputs_of(nix, [each.deriver for each in closure_of(nix, [hello]) if each.path == hello])

    def kept(*results: str, **changes: object) -> set[str]:
        rules: dict[str, object] = {"upstream": (), "from_elsewhere": (), "held": lambda parts: ()}
        rules |= {"fetched_too": False, **changes}
        return {each.path for each in to_push(nix, [built.deriver, "/nix/store/none"], results, **rules)}  # type: ignore[arg-type]

    assert kept() == {linked, hello}
    assert kept(str(shapes("layered"))) == {linked, hello}
    assert kept(from_elsewhere={hello, linked}) == {linked}
    assert kept(held=lambda parts: [part for part in parts if part in hello]) == {linked}
    assert kept(held=lambda parts: parts, is_sound=lambda info: info.path != linked) == {linked}
    everything = kept(fetched_too=True)
    assert {linked, hello} < everything
    assert all(
        each.is_source for each in closure_of(nix, [linked]) if each.path in everything - {linked, hello}
    )
    assert [len(each.paths) for each in doc.values()] == [2]


class Shelf:
    """A `Taker` that reads all of a NAR."""

    stopped: Error | None = None

    def __init__(self) -> None:
        self.taken: dict[str, int] = {}

    def __contains__(self, hash_part: str) -> bool:
        return hash_part in self.taken

    def be_ready(self) -> None:
        pass

    def add(self, info: PathInfo, nar: Iterable[bytes], /) -> None:
        self.taken[info.hash_part] = sum(map(len, nar))
        if self.taken[info.hash_part] != info.nar_size:
            raise ValueError(f"{info.path} do not have the hash that Nix's database states")


def info(path: Path | str, size: int) -> PathInfo:
    return PathInfo(path=str(path), nar_hash=bytes(32), nar_size=size)


def test_a_path_that_was_damaged_is_told_once_and_the_others_are_kept(
    record: EventRecord, shapes: NixBuild
) -> None:
    damaged, good = str(shapes("hello")), str(shapes("chatty"))
    size = sum(map(len, nar_pieces(good)))
    chosen = [info("/nix/store/none", 1), info(damaged, 1), info(damaged + "2", 1), info(good, size)]
    shelf = Shelf()
    feeder = Feeder(shelf, lambda *_: iter(chosen), record)
    feeder.result([good])
    feeder.drain(20, look=True)
    assert len(record.warnings) == 2
    assert sum("nix-store --verify" in warning for warning in record.warnings) == 1
    assert info(good, size).hash_part in shelf


def test_what_is_found_while_the_rest_is_drained_is_pushed_too(record: EventRecord, shapes: NixBuild) -> None:
    path = str(shapes("chatty"))
    size, asked, drained = sum(map(len, nar_pieces(path))), threading.Event(), threading.Event()

    def slowly(derivations: Collection[str], _: Collection[str]) -> Iterator[PathInfo]:
        asked.set()
        drained.wait(5)
        return iter([info(path, size)] if derivations else [])

    shelf = Shelf()
    feeder = Feeder(shelf, slowly, record)
    feeder.built("/nix/store/x.drv")
    assert asked.wait(5)
    threading.Timer(0.2, drained.set).start()
    feeder.drain(10, look=False)
    assert info(path, size).hash_part in shelf


def test_a_slow_cache_is_left_at_the_deadline(record: EventRecord) -> None:
    release = threading.Event()

    class Slow(Shelf):
        def add(self, info: PathInfo, nar: Iterable[bytes], /) -> None:
            release.wait(200)

    feeder = Feeder(Slow(), lambda *_: iter([info(f"/nix/store/{n}", 1) for n in range(9)]), record)
    feeder.result(["x"])
    begun = time.monotonic()
    feeder.drain(0.3, look=True)
    assert time.monotonic() - begun < 100
    release.set()


class Server(http.server.SimpleHTTPRequestHandler):
    """A binary cache that takes PUT."""

    refuses = False

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.refuses:
            path = Path(self.translate_path(self.path))
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        self.send_response(403 if self.refuses else 201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "http", "refused"])
def test_nix_reads_what_was_written_to_a_plain_cache(
    other_store: Nix, shapes: NixBuild, record: EventRecord, *, nix: Nix, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "nix-cache-info").write_text("StoreDir: /nix/store\n")
    paths = [path_info(each) for each in closure_of(nix, [str(shapes("hello"))])]
    handler = type("Handler", (Server,), {"refuses": kind == "refused"})
    with serving(functools.partial(handler, directory=str(folder))) as url:
        place = StorePlace(f"file://{folder}" if kind == "file" else url)
        tools = tools_of(nix, record, tmp_path)
        keeper = StoreKeeper(KeptResults(cache=NixCache(place)), tools, netrc_file="")
        assert keeper.taker
        for each in paths:
            assert bool(keeper.held([each.hash_part])) == (keeper.taker.stopped is not None)
            keeper.taker.add(each, nar_pieces(each.path))
        pushed = keeper.finish(20)
        if kind == "refused":
            assert pushed is None
            (warning,) = record.warnings
            assert "it answers 403 to PUT" in warning
            return
        assert pushed
        assert pushed.paths == len(paths)
        parts = [each.hash_part for each in paths]
        assert keeper.held([*parts, *("0" * 31 + letter for letter in "123456789")]) == parts
        (used,) = keeper.part.substituters
        subprocess.run(
            ["nix", "copy", "--no-check-sigs", "--from", used, str(shapes("hello"))],
            env=dict(other_store.environ),
            check=True,
            capture_output=True,
        )
    assert not record.warnings


class Counting(Server):
    """It counts what it is sent, and keeps no byte of it."""

    received = 0

    def do_PUT(self) -> None:
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 65536)))
        type(self).received += int(self.headers["Content-Length"])
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.mark.parametrize("kind", ["file", "http"])
def test_a_large_path_needs_little_memory_and_one_with_another_hash_is_refused(
    nix: Nix, record: EventRecord, tmp_path: Path, kind: str
) -> None:
    """48 MiB that do not compress, which no file holds: they are made piece by piece."""
    pieces = [random.Random(number).randbytes(1 << 16) for number in range(16)] * 48
    digest = hashlib.sha256(b"".join(pieces)).digest()
    size = len(pieces) << 16
    large = PathInfo(path=f"/nix/store/{0:032}-large", nar_hash=digest, nar_size=size)
    (tmp_path / "nix-cache-info").write_text("StoreDir: /nix/store\n")
    with serving(functools.partial(Counting, directory=str(tmp_path))) as url:
        place = StorePlace(f"file://{tmp_path}" if kind == "file" else url)
        keeper = StoreKeeper(
            KeptResults(cache=NixCache(place)), tools_of(nix, record, tmp_path), netrc_file=""
        )
        assert keeper.taker
        tracemalloc.start()
        try:
            keeper.taker.add(large, iter(pieces))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        with pytest.raises(ValueError, match="do not have the hash that Nix's database states"):
            keeper.taker.add(dataclasses.replace(large, path=f"/nix/store/{1:032}-other"), iter(pieces[1:]))
        pushed = keeper.finish(20)
    assert peak < 24 << 20
    assert pushed
    assert pushed.paths == 1
    assert not (tmp_path / f"{1:032}.narinfo").exists()
    assert not record.warnings


def test_a_plain_server_is_asked_for_what_is_new_alone(
    nix: Nix, shapes: NixBuild, record: EventRecord, tmp_path: Path
) -> None:
    """Neither for what came from it in this run, nor for what another cache has signed."""
    asked: list[str] = []

    class Noting(Server):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

    (tmp_path / "nix-cache-info").write_text("StoreDir: /nix/store\n")
    script, hello = str(shapes("script-linked")), str(shapes("hello"))
    with serving(functools.partial(Noting, directory=str(tmp_path))) as url:
        inputs = CacheInputs(kept=KeptResults(cache=NixCache(StorePlace(url))))
        with opened(inputs, tools_of(nix, record, tmp_path)) as plan:
            for heard in plan.heard:
                heard(PathSubstituted(hello, url))
            for built in plan.built:
                built(BuildOutput("", {"out": script}, ""))
    narinfos = [path for path in asked if path.endswith(".narinfo")]
    assert f"/{hash_of(script)}.narinfo" in narinfos
    assert f"/{hash_of(hello)}.narinfo" not in narinfos
    assert (tmp_path / f"{hash_of(script)}.narinfo").exists()


def test_a_server_that_is_gone_is_asked_once(nix: Nix, record: EventRecord, tmp_path: Path) -> None:
    with serving(functools.partial(Server, directory=str(tmp_path))) as url:
        (tmp_path / "nix-cache-info").write_text("StoreDir: /nix/store\n")
        kept = KeptResults(cache=NixCache(StorePlace(url)))
        keeper = StoreKeeper(kept, tools_of(nix, record, tmp_path), netrc_file="")
    asked = [f"{number:032}" for number in range(99)]
    assert keeper.held(asked) == asked
    assert keeper.finish(1) is None
    (warning,) = record.warnings
    assert f"not all of this build is kept in {url}" in warning


def test_the_line_says_what_came_from_where() -> None:
    told = Told()
    assert told.line() == "0 derivations built here"
    told(BuildLog("no matter"))
    told(DerivationBuilt("/nix/store/a.drv", "ssh-ng://b1"))
    told(DerivationBuilt("/nix/store/a.drv"))  # the same, as that machine told it
    told(DerivationBuilt("/nix/store/b.drv"))
    told(PathSubstituted("/nix/store/c", "https://cache.example.org"))
    assert told.line() == "1 derivation built here, 1 on ssh-ng://b1, 1 path from https://cache.example.org"
