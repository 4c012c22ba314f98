"""What `nix-store --dump` writes of a path becomes the very tar that the path itself would, in all three ways of writing one."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_mock import MockerFixture

from flakeship.image.nar.tar import members_of_nar, tar_of_nars
from flakeship.image.nar.tree import NarTree, NarTrees
from flakeship.image.stream import CHUNK, Pieces, chunks
from flakeship.image.tar import files, python, writer
from flakeship.sources.nix2container.tree import LayerPath, WriterVersion, tar_pieces
from tests.sources.store_trees import ODD, plant

NAMES = st.one_of(
    st.sampled_from(
        [b"bin", b"Bin", b"BIN", b"a", b"A", b"lib", b"\xff", b"caf\xc3\xa9", b"\xee\x80\x80", b"-"]
    ),
    st.binary(min_size=1, max_size=12).filter(
        lambda name: not {0, 47} & set(name) and name not in (b".", b"..")
    ),
)
FILES = st.tuples(st.sampled_from(["file", "program"]), st.binary(max_size=1200))
LINKS = st.tuples(
    st.just("symlink"), st.binary(min_size=1, max_size=150).filter(lambda target: 0 not in target)
)
NODES = st.recursive(
    st.one_of(FILES, LINKS), lambda below: st.dictionaries(NAMES, below, max_size=4), max_leaves=10
)


def put(path: Path, node: Any) -> None:
    """Write a tree as Nix has it in its store."""
    if isinstance(node, dict):
        path.mkdir()
        for name, below in node.items():
            put(path / os.fsdecode(name), below)
        path.chmod(0o555)
    elif node[0] == "symlink":
        path.symlink_to(os.fsdecode(node[1]))
    else:
        path.write_bytes(node[1])
        path.chmod(0o555 if node[0] == "program" else 0o444)


@contextmanager
def planted(folder: Path, node: Any) -> Iterator[Path]:
    top = folder / "top"
    put(top, node)
    yield top
    opened(top)
    if top.is_dir() and not top.is_symlink():
        shutil.rmtree(top)
    else:
        top.unlink()


def opened(top: Path) -> None:
    """Let whoever cleans up remove what lies in folders."""
    for path, kind in files.walk(os.fsencode(top)):
        if kind == "folder":
            Path(os.fsdecode(path)).chmod(0o755)


def dumped(path: Path) -> bytes:
    return subprocess.run(["nix-store", "--dump", str(path)], check=True, capture_output=True).stdout


def tars_of_path(path: Path) -> list[bytes]:
    top = [str(path)]
    return [
        writer.tar_of(top).read(),
        python.tar_of(top, python.HeaderFields()).read(),
        b"".join(tar_pieces([LayerPath(os.fsencode(path))], WriterVersion())),
    ]


def tars_of_nar(path: Path, nar: bytes, folder: Path) -> list[bytes]:
    top = [str(path)]

    def members(tops: Sequence[bytes]) -> Pieces:
        for each in tops:
            yield from members_of_nar(each, io.BytesIO(nar))

    with closing(tar_of_nars(top, members)) as stream:
        streamed = b"".join(chunks(stream, 700))
    trees = NarTrees({os.fsencode(path): NarTree.brought(io.BytesIO(nar), folder / "brought")})
    (folder / "brought").rename(folder / "moved")  # read by its name: each time from where it lies
    (folder / "moved").rename(folder / "brought")
    return [
        streamed,
        python.tar_of(top, python.HeaderFields(), trees).read(),
        b"".join(tar_pieces([LayerPath(os.fsencode(path))], WriterVersion(), trees)),
    ]


@pytest.mark.slow
@given(node=NODES)
def test_any_tree(tmp_path_factory: pytest.TempPathFactory, node: Any) -> None:
    folder = tmp_path_factory.mktemp("nar")
    with planted(folder, node) as path:
        assert tars_of_nar(path, dumped(path), folder) == tars_of_path(path)


BIG: Mapping[str, bytes | str] = {
    "bin/big": os.urandom(CHUNK + 70_001),
    "exactly": bytes(CHUNK),
    "empty": b"",
    **{f"many/{number:04}": b"%d" % number for number in range(500)},
}


@pytest.mark.slow
@pytest.mark.parametrize("tree", [ODD, BIG], ids=["odd names", "large and many files"])
def test_odd_and_large(tmp_path: Path, mocker: MockerFixture, tree: Mapping[str, bytes | str]) -> None:
    mocker.patch("flakeship.image.nar.tree._LARGE", CHUNK)
    path = plant(tmp_path / "top", tree)
    for each in (path, *path.rglob("*")):
        if each.is_dir() and not each.is_symlink():
            each.chmod(0o555)
    (tmp_path / "room").mkdir()
    try:
        assert tars_of_nar(path, dumped(path), tmp_path / "room") == tars_of_path(path)
    finally:
        opened(path)
