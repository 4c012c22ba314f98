"""NARs as we write them, compared with those that Nix writes of the same files."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flakeship.image.nar.writer import nar_pieces
from flakeship.image.stream import CHUNK

Tree: TypeAlias = "bytes | tuple[bytes, bool] | dict[bytes, Any]"
"""The target of a link, the content of a file and whether it is a program, or a folder."""

NAMES = st.binary(min_size=1, max_size=12).filter(
    lambda name: name not in (b".", b"..") and not set(b"/\0") & set(name)
)
LEAVES = st.one_of(
    st.tuples(st.binary(max_size=40), st.booleans()),
    st.binary(min_size=1, max_size=20).filter(lambda target: b"\0" not in target),
)
TREES = st.recursive(LEAVES, lambda below: st.dictionaries(NAMES, below, max_size=4), max_leaves=12)


def write(tree: Tree, path: Path) -> None:
    match tree:
        case bytes():
            path.symlink_to(os.fsdecode(tree))
        case (content, program):
            path.write_bytes(content)
            path.chmod(0o755 if program else 0o644)
        case dict():
            path.mkdir()
            for name, below in tree.items():
                write(below, path / os.fsdecode(name))


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(tree={b"b": ({b"b": b"../x"}), b"a.c": (b"1" * 8, False), b"a": {}, b"\xff": (b"12345678a", True)})
@given(tree=TREES)
def test_a_nar_is_the_one_that_nix_writes(tree: Tree, tmp_path: Path) -> None:
    path = tmp_path / "tree"
    write(tree, path)
    try:
        expected = subprocess.run(["nix-store", "--dump", path], check=True, capture_output=True).stdout
        assert b"".join(nar_pieces(str(path))) == expected
    finally:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is no file, folder or link"):
        list(nar_pieces(str(tmp_path)))


def test_no_piece_is_larger_than_a_chunk(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(5 * CHUNK + 3)
    sizes = [len(piece) for piece in nar_pieces(str(tmp_path / "large"))]
    assert max(sizes) == CHUNK
    assert sum(sizes) > 5 * CHUNK
