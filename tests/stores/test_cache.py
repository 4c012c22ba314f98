"""The layer cache: what it finds, how large it grows, and who may use it at once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from flakeship.image.media_types import DOCKER
from flakeship.image.model import digest_of
from flakeship.leftovers.locks import new_file
from flakeship.stores import cache_folder
from flakeship.stores.cache_folder import CacheFolder
from tests.image.making import compression
from tests.stores.caching import NOW, Outcome, blobs, layer, run

HOUR = 3600.0


@pytest.mark.parametrize("algorithm", ["none", "gzip", "zstd"])
def test_a_second_run_reads_nothing(tmp_path: Path, algorithm: Any) -> None:
    how = compression(algorithm)
    wanted = [layer("a"), layer("b", known=False, key="key of b"), layer("c", known=False)]
    first = run(tmp_path / "cache", *wanted, how=how)
    again = run(tmp_path / "cache", *wanted, how=how)
    assert first.read == ["a", "b", "c"]
    assert again.read == ["c"], "of which nothing is known before it is read"
    for name in "abc":
        assert again.blobs[name] == first.blobs[name]
        assert again.layers[name].diff_id == first.layers[name].diff_id
        assert again.layers[name].descriptor == first.layers[name].descriptor
    assert not first.said
    assert not again.said


def test_a_key_leads_to_what_a_diff_id_was_packed_as(tmp_path: Path) -> None:
    """And the other way round: archive and closure may hold the same tar."""
    run(tmp_path, layer("a", known=False, key="k"))
    assert run(tmp_path, layer("a")).read == []
    assert run(tmp_path, layer("a", known=False, key="other")).read == ["a"]
    assert run(tmp_path, layer("a", known=False, key="other")).read == []


def test_another_compression_is_another_blob(tmp_path: Path) -> None:
    one = layer("a")
    run(tmp_path, one)
    for how in (compression("gzip", 1), compression("gzip", 2), compression("zstd", 3)):
        assert run(tmp_path, one, how=how).read == ["a"]
        assert run(tmp_path, one, how=how).read == []


def test_media_types_are_those_of_the_run(tmp_path: Path) -> None:
    run(tmp_path, layer("a"))
    found = run(tmp_path, layer("a"), family=DOCKER)
    assert found.layers["a"].descriptor.media_type == DOCKER.layers[""]
    assert found.read == []


def test_the_oldest_goes_first(tmp_path: Path) -> None:
    for hour, name in enumerate("abc"):
        run(tmp_path, layer(name), limit=15000, now=NOW + hour * HOUR)
    run(tmp_path, layer("a"), limit=15000, now=NOW + 5 * HOUR)
    run(tmp_path, layer("d"), limit=15000, now=NOW + 6 * HOUR)
    assert sum(path.stat().st_size for path in blobs(tmp_path)) == 15000
    assert run(tmp_path, layer("a"), limit=15000, now=NOW + 7 * HOUR).read == []
    assert run(tmp_path, layer("c"), limit=15000, now=NOW + 7 * HOUR).read == []
    assert run(tmp_path, layer("b"), limit=0).read == ["b"]


def test_it_is_never_larger_than_it_may(tmp_path: Path) -> None:
    """Within one run nothing makes room: what was used just now may be on its way by another process."""
    run(tmp_path, *(layer(f"layer {number}") for number in range(20)), limit=33000)
    assert sum(path.stat().st_size for path in blobs(tmp_path)) == 30000
    run(tmp_path, layer("large", size=33001), limit=33000, now=NOW + 9 * HOUR)
    assert len(blobs(tmp_path)) == 6


def test_two_at_once(tmp_path: Path) -> None:
    """Threads here stand for processes: nothing but the folder is shared."""
    wanted = [layer(f"layer {number}", size=3000 + number) for number in range(30)]
    outcomes: list[Outcome] = []

    def go() -> None:
        outcomes.append(run(tmp_path, *wanted, limit=60_000))

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 4
    assert not any(outcome.said for outcome in outcomes)
    assert all(outcome.blobs == outcomes[0].blobs for outcome in outcomes)
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".flakeship-")]
    assert run(tmp_path, *wanted, limit=60_000).blobs == outcomes[0].blobs


def test_what_comes_as_another_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its clock counts, and not that of the machine, which here is hours behind."""
    link = os.link

    def linked(*paths: Path) -> None:
        link(*paths)
        CacheFolder(tmp_path).shrink(0, now=NOW)

    monkeypatch.setattr(os, "link", linked)
    assert not run(tmp_path, layer("a")).said
    assert run(tmp_path, layer("a")).read == []


@pytest.mark.slow
def test_three_processes_at_once(tmp_path: Path) -> None:
    """Each makes room by removing what none of them has used lately, and each needs what the others pack."""
    run(tmp_path, *(layer(f"old {number}", size=20000) for number in range(24)), now=NOW - 2 * HOUR)
    program = (
        "import sys; from pathlib import Path; from tests.stores.caching import NOW, layer, run; "
        "[run(Path(sys.argv[1]), *(layer(f'{n}', size=20000 + n) for n in range(22)), "
        "limit=500_000, now=NOW + turn) for turn in range(20)]"
    )
    root = Path(__file__).parents[2]
    children = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, str(tmp_path)],
            cwd=root,
            env={**os.environ, "PYTHONPATH": f"{root}/src:{root}"},
        )
        for _ in range(3)
    ]
    assert [child.wait() for child in children] == [0, 0, 0]
    assert run(tmp_path, *(layer(f"{n}", size=20000 + n) for n in range(22))).read == []
    for blob in blobs(tmp_path):
        assert digest_of(blob.read_bytes()).endswith(blob.name)


def test_what_is_left_behind_goes(tmp_path: Path) -> None:
    run(tmp_path, layer("a"), layer("b"))
    blobs(tmp_path)[0].unlink()
    folder = CacheFolder(tmp_path)
    places = [tmp_path, tmp_path / "v1", *(tmp_path / "v1/layers").iterdir()]
    litter = [new_file(place) for place in places]
    folder.tidy()
    assert all(path.exists() for _, path in litter), "another run is writing them"
    for handle, _ in litter:
        os.close(handle)
    folder.tidy()
    assert not any(path.exists() for _, path in litter)
    assert len(list(folder.names())) == 1
    assert folder.shrink(0, now=NOW) == 5000
    assert folder.shrink(0, now=NOW, spare=0) == 0
    assert not folder.kept()


def test_backups_leave_it_out(tmp_path: Path) -> None:
    run(tmp_path, layer("a"))
    assert (
        (tmp_path / "CACHEDIR.TAG").read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55\n")
    )


def test_the_next_run_removes_what_a_killed_one_was_writing(tmp_path: Path) -> None:
    run(tmp_path, layer("a"))
    (handle, left), (living, kept) = new_file(tmp_path / "v1"), new_file(tmp_path / "v1")
    os.close(handle)
    run(tmp_path, layer("b"))
    assert (left.exists(), kept.exists()) == (False, True)
    os.close(living)


def test_what_another_run_removes_while_it_is_tidied_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, layer("a"))
    read = cache_folder._read

    def late(path: Path) -> bytes:
        path.unlink()
        return read(path)

    monkeypatch.setattr(cache_folder, "_read", late)
    CacheFolder(tmp_path).tidy()
    assert not list(CacheFolder(tmp_path).names())
