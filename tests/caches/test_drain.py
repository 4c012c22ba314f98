"""The end of a run with a large closure: at once where nothing is new, and within five seconds after a signal."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from flakeship.caches import CacheInputs, opened
from flakeship.caches.place import LayoutPlace, NixCache
from flakeship.caches.plan import CachePlan, CacheTools, KeptResults
from flakeship.cancellation import Cancelled
from flakeship.events import CachesTold, Command, DerivationBuilt, ignore
from flakeship.image.nar.writer import nar_pieces
from flakeship.nix.build import BuildOutput
from flakeship.nix.command import Nix
from tests.caches.conftest import EventRecord, tools_of
from tests.caches.packs.scene import MAIN, Paths, Scene, path_of
from tests.testbed.nix import NixBuild

COUNT = 10_000


@pytest.fixture(scope="module")
def paths() -> Paths:
    """A closure: the last path needs all others, by the one before it. Their content is a few bytes."""
    made, before = Paths(), ""
    for number in range(COUNT):
        info, nar = path_of(f"p{number}", b"%d" % number, *([before] if before else []))
        made[info], before = nar, info.path.removeprefix("/nix/store/")
    return made


def kept(folder: Path) -> KeptResults:
    return KeptResults(
        cache=NixCache(LayoutPlace(folder / "layout")), ref=MAIN.ref, attributes=MAIN.attributes
    )


def result(path: str, plan: CachePlan) -> None:
    for built in plan.built:
        built(BuildOutput("", {"out": path}, ""))


def seconds_since(begun: float) -> float:
    return time.monotonic() - begun


@pytest.mark.slow
def test_nothing_is_asked_or_waited_for_where_nothing_is_new(
    nix: Nix, paths: Paths, record: EventRecord, tmp_path: Path
) -> None:
    """The result is in the cache, with 10,000 paths: neither Nix is asked for them, nor is anything written."""
    with contextlib.ExitStack() as stack:
        scene = Scene(tmp_path, stack)
        scene.write(scene.layout(), paths)
    index = (tmp_path / "layout/index.json").read_bytes()
    last = list(paths)[-1].path
    with opened(
        CacheInputs(kept=kept(tmp_path)), tools_of(dataclasses.replace(nix, emit=record), record, tmp_path)
    ) as plan:
        result(last, plan)
        record.events.clear()
        begun = time.process_time()
    assert time.process_time() - begun < 2  # of the processor; it takes 0.1
    assert not [event for event in record.events if isinstance(event, Command)]
    (told,) = (event.text for event in record.events if isinstance(event, CachesTold))
    assert "nothing new" in told
    assert (tmp_path / "layout/index.json").read_bytes() == index


@pytest.mark.slow
def test_a_signal_while_the_last_paths_are_kept_leaves_five_seconds(
    nix: Nix, shapes: NixBuild, record: EventRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All is built and published, and the signal comes when the first path is read."""

    def slowly(path: str) -> Iterator[bytes]:
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.3)
        yield from nar_pieces(path)

    def cancel(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise Cancelled(number)

    monkeypatch.setattr("flakeship.caches.feeding.nar_pieces", slowly)
    path = str(shapes("hello"))
    before = signal.signal(signal.SIGUSR1, cancel)
    try:
        with (
            pytest.raises(Cancelled),
            opened(CacheInputs(kept=kept(tmp_path)), tools_of(nix, record, tmp_path)) as plan,
        ):
            result(path, plan)
    finally:
        signal.signal(signal.SIGUSR1, before)
    (told,) = (event.text for event in record.events if isinstance(event, CachesTold))
    assert "1 new in" in told


@dataclasses.dataclass(frozen=True)
class Large:
    """A Nix whose store has these paths; `top` needs all of them."""

    nix: Nix
    top: str


@pytest.fixture
def large(nix_environ: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Large]:
    """A store of its own with 10,000 valid paths, whose files are read from there."""
    root = tmp_path / "root"
    environ = {**nix_environ, "NIX_REMOTE": str(root), "XDG_CACHE_HOME": str(tmp_path / "xdg")}
    nix = Nix.find(environ=environ, emit=ignore)
    nix = dataclasses.replace(nix, environ={**nix.environ, **environ})
    store = root / "nix/store"
    lines: list[str] = []
    before = ""
    store.mkdir(parents=True)
    for number in range(COUNT):
        info, _ = path_of(f"p{number}", b"%d" % number, *([before] if before else []))
        before = info.path.removeprefix("/nix/store/")
        (store / before).write_bytes(b"%d" % number)
        references = [f"/nix/store/{each}" for each in info.references]
        digest = info.nar_hash.hex()
        lines += [info.path, digest, str(info.nar_size), "", str(len(references)), *references]
    done = subprocess.run(
        ["nix-store", "--load-db"],
        input="\n".join(lines) + "\n",
        env=dict(nix.environ),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    monkeypatch.setattr("flakeship.caches.feeding.nar_pieces", lambda path: nar_pieces(f"{root}{path}"))
    yield Large(nix, f"/nix/store/{before}")
    subprocess.run(["chmod", "-R", "u+w", str(root)], check=False, capture_output=True)


def cancelled(large: Large, inputs: CacheInputs, tools: CacheTools) -> None:
    """A run that a signal ends when all is built."""
    with opened(inputs, tools) as plan:
        for heard in plan.heard:
            heard(DerivationBuilt("/nix/store/none.drv"))
        result(large.top, plan)
        raise Cancelled(15)


def new_paths(record: EventRecord) -> int:
    """How many paths a run says that it kept."""
    (told,) = (event.text for event in record.events if isinstance(event, CachesTold))
    count, new, _ = told.partition("; ")[2].partition(" new in ")
    assert new
    return 0 if count == "nothing" else int(count)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_large_closure_is_kept_and_a_signal_ends_that_in_time(
    large: Large, record: EventRecord, tmp_path: Path
) -> None:
    """First a run that a signal ends, which keeps what it can, then one that keeps what is left, then one with nothing new."""
    tools = tools_of(large.nix, record, tmp_path)
    inputs = CacheInputs(kept=kept(tmp_path))
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        cancelled(large, inputs, tools)
    assert seconds_since(begun) < 5 + 1, "with what opening the cache takes"
    in_time = new_paths(record)  # since results are kept from the end of the build on, it may be all of them
    took = 0.0
    for new in (COUNT - in_time, 0):
        record.events.clear()
        with opened(inputs, tools) as plan:
            result(large.top, plan)
            begun = time.monotonic()
        took = seconds_since(begun)
        assert new_paths(record) == new
    assert took < 0.5
