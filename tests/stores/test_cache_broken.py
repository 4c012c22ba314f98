"""A layer cache that is cut, changed, read-only, full or no folder: the run goes on, and what can heal does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flakeship.image.model import digest_of
from flakeship.stores.cache_folder import CacheEntry, _parsed, _written
from tests.stores.caching import blobs, layer, run


@pytest.mark.parametrize("breakage", ["cut", "changed", "longer", "empty", "gone", "a pipe", "a folder"])
def test_a_broken_blob_heals(tmp_path: Path, breakage: str) -> None:
    first = run(tmp_path, layer("a"))
    (blob,) = blobs(tmp_path)
    data = blob.read_bytes()
    blob.unlink()
    match breakage:
        case "cut":
            blob.write_bytes(data[:-1])
        case "changed":
            blob.write_bytes(b"X" + data[1:])
        case "longer":
            blob.write_bytes(data + b"X")
        case "empty":
            blob.write_bytes(b"")
        case "a folder":
            blob.mkdir()
        case "a pipe":
            os.mkfifo(blob)
        case _:
            pass
    healed = run(tmp_path, layer("a"))
    assert healed.read == ["a"]
    assert healed.blobs == first.blobs
    if breakage == "a folder":
        assert "layer cache" in healed.said[0].text
    else:
        assert not healed.said
        assert run(tmp_path, layer("a")).read == []


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"{}", b"\xff", b"x" * 5000, b'{"name": 1, "size": true}']
)
def test_a_broken_entry_heals(tmp_path: Path, text: bytes) -> None:
    run(tmp_path, layer("a"))
    for path in (tmp_path / "v1/layers").glob("*/*.json"):
        path.write_bytes(text)
    assert run(tmp_path, layer("a")).read == ["a"]
    assert run(tmp_path, layer("a")).read == []


@pytest.mark.parametrize(
    "wrong", [{"size": -1}, {"size": True}, {"name": 1}, {"digest": f"sha512:{'1' * 128}"}, {"diff_id": "x"}]
)
def test_an_entry_of_what_no_run_writes_is_none(wrong: dict[str, Any]) -> None:
    """Its checksum is right: another version of this program may have written it."""
    right = CacheEntry("a", digest_of(b"a"), digest_of(b"b"), 0)
    assert _parsed(_written(right)) == right
    with pytest.raises(ValueError, match=r".+"):
        _parsed(_written(replace(right, **wrong)))


@pytest.mark.parametrize("known", [True, False])
def test_an_entry_in_which_a_digit_changed_heals(tmp_path: Path, *, known: bool) -> None:
    """By nothing else is it told, where nobody but the cache knows the diff_id."""
    wanted = layer("a", known=known, key="store:a")
    first = run(tmp_path, wanted)
    for path in (tmp_path / "v1/layers").glob("*/*.json"):
        said = path.read_text()
        place = said.index('"diff_id":"sha256:') + len('"diff_id":"sha256:')
        path.write_text(said[:place] + ("1" if said[place] == "0" else "0") + said[place + 1 :])
    healed = run(tmp_path, wanted)
    assert healed.read == ["a"]
    assert healed.layers["a"].diff_id == first.layers["a"].diff_id
    assert run(tmp_path, wanted).read == []


def test_an_entry_that_names_another_layer_or_leads_elsewhere(tmp_path: Path) -> None:
    run(tmp_path, layer("a"), layer("b"))
    first, second = sorted((tmp_path / "v1/layers").glob("*/*.json"))
    first.write_bytes(second.read_bytes())
    second.write_bytes(second.read_bytes().replace(b'"digest":"sha256:', b'"digest":"sha256:../'))
    healed = run(tmp_path, layer("a"), layer("b"))
    assert healed.read == ["a", "b"]
    assert run(tmp_path, layer("a"), layer("b")).read == []


def test_a_folder_that_can_not_be_written_to_is_a_warning_and_read(tmp_path: Path) -> None:
    run(tmp_path / "cache", layer("a"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(tmp_path / "cache")], check=True)
    try:
        run(tmp_path / "cache", layer("a"))
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "cache")], check=True)
        outcome = run(tmp_path / "cache", layer("a"), layer("b"), layer("c"))
    finally:
        subprocess.run(["umount", str(tmp_path / "cache")], check=True)
    assert outcome.read == ["b", "c"]
    (warning,) = outcome.said
    assert f"the layer cache {tmp_path}/cache can't be used: Read-only file system" in warning.text
    assert "`layer-cache`" in warning.hint


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_a_warning(tiny: Path) -> None:
    wanted = [layer("a"), layer("b", size=2_000_000), layer("c", size=2_000_000), layer("d")]
    outcome = run(tiny, *wanted, limit=10_000_000)
    assert outcome.read == ["a", "b", "c", "d"]
    (warning,) = outcome.said
    assert "No space left on device" in warning.text
    assert not [path for path in tiny.rglob("*") if path.name.startswith(".flakeship-")]
    again = run(tiny, layer("a"), limit=10_000_000)
    assert not again.said


def test_another_file_system_has_copies(tiny: Path) -> None:
    run(tiny, layer("a"))
    assert run(tiny, layer("a")).read == []


@pytest.mark.parametrize(
    "made", [lambda path: path.write_text("a file"), lambda path: path.symlink_to("loop")]
)
def test_a_folder_that_is_none(tmp_path: Path, made: Callable[[Path], object]) -> None:
    made(tmp_path / "loop")
    outcome = run(tmp_path / "loop", layer("a"), layer("b"))
    assert outcome.read == ["a", "b"]
    assert len(outcome.said) == 1
