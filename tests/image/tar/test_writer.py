"""Trees of every shape, written by us and read back by Python's tarfile and GNU tar."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flakeship.image.stream import CHUNK
from flakeship.image.tar.header import END, padding
from flakeship.image.tar.writer import form, header, tar_of
from tests.testbed.calls import calls_of

NAMES = st.one_of(
    st.binary(min_size=1, max_size=12),
    st.sampled_from(
        [b"a", b"b", b"caf\xc3\xa9", b"\xff\xfe", b"two\nlines", b" ", b"-x", b"\\n", b"x" * 255]
    ),
    st.integers(90, 255).map(lambda length: b"n" * length),
).filter(lambda name: b"/" not in name and b"\0" not in name and name not in {b".", b".."})
TARGETS = st.binary(min_size=1, max_size=300).filter(lambda target: b"\0" not in target)
TREES = st.recursive(
    st.one_of(
        st.tuples(st.just("file"), st.binary(max_size=1500), st.booleans()),
        st.tuples(
            st.just("symlink"), st.one_of(TARGETS, st.integers(95, 400).map(lambda length: b"/t" * length))
        ),
    ),
    lambda children: st.dictionaries(NAMES, children, max_size=4),
    max_leaves=12,
)


@dataclass(frozen=True)
class Found:
    """What is to be read back of one member; `content` is a file's data or where a link leads."""

    kind: str
    mode: int
    content: bytes


def plant(tree: Any, path: Path) -> None:
    match tree:
        case dict():
            path.mkdir(0o755)
            for name, child in tree.items():
                plant(child, path / os.fsdecode(name))
        case ("file", content, executable):
            path.write_bytes(content)
            path.chmod(0o755 if executable else 0o640)
        case (_, target):
            os.symlink(target, path)  # noqa: PTH211  a Path loses slashes
        case _:
            raise AssertionError(tree)


def expected(tree: Any, path: bytes) -> Iterator[tuple[bytes, Found]]:
    match tree:
        case dict():
            yield path, Found("folder", 0o555, b"")
            for name in sorted(tree):
                yield from expected(tree[name], path + b"/" + name)
        case ("file", content, executable):
            yield path, Found("file", 0o555 if executable else 0o444, content)
        case (_, target):
            yield path, Found("symlink", 0o777, target)
        case _:
            raise AssertionError(tree)


def read_back(data: bytes) -> Iterator[tuple[bytes, Found]]:
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape") as archive:
        for member in archive:
            kind = "folder" if member.isdir() else "symlink" if member.issym() else "file"
            assert member.isdir() or member.issym() or member.isreg()
            file = archive.extractfile(member) if member.isreg() else None
            content = file.read() if file else os.fsencode(member.linkname)
            assert (member.uid, member.gid, member.mtime, member.uname) == (0, 0, 1, "")
            yield os.fsencode(member.name), Found(kind, member.mode, content)


def written(*paths: Path | str) -> bytes:
    with tar_of([str(path) for path in paths]) as reader:
        return reader.read()


@given(tree=TREES)
def test_python_reads_back_what_was_written(tree: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder, "top")
        plant(tree, top)
        data = written(top)
        wanted = list(expected(tree, os.fsencode(top)[1:]))
    parents = folder.count("/")
    assert list(read_back(data))[parents:] == wanted
    assert len(data) % 512 == 0
    assert data.endswith(END)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(tree=st.dictionaries(NAMES, TREES, max_size=4))
def test_gnu_tar_unpacks_what_was_written(tree: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        top, copy = Path(folder, "top"), Path(folder, "copy")
        plant(tree, top)
        copy.mkdir()
        unpack = ["tar", "-x", "-p", "-f", "-", "-C", str(copy)]
        subprocess.run(unpack, input=written(top), check=True, capture_output=True)
        found = dict(unpacked(copy / str(top)[1:]))
        subprocess.run(["chmod", "-R", "u+w", copy], check=True)
    assert found == dict(expected(tree, b""))


def unpacked(top: Path, name: bytes = b"") -> Iterator[tuple[bytes, Found]]:
    mode = top.lstat().st_mode
    if top.is_symlink():
        yield name, Found("symlink", 0o777, os.fsencode(os.readlink(top)))  # noqa: PTH115  a Path loses slashes
    elif top.is_file():
        yield name, Found("file", stat.S_IMODE(mode), top.read_bytes())
    else:
        yield name, Found("folder", stat.S_IMODE(mode), b"")
        for child in top.iterdir():
            yield from unpacked(child, name + b"/" + os.fsencode(child.name))


def test_the_machine_does_not_show(tmp_path: Path) -> None:
    """Another time, owner, mode, order of creation, hard links: the same bytes."""
    for number, place in enumerate([tmp_path / "one/same", tmp_path / "two/same"]):
        place.mkdir(parents=True)
        for name in ("a", "b", "c")[:: 1 if number else -1]:
            (place / name).write_bytes(b"content")
    two = tmp_path / "two/same"
    (two / "b").unlink()
    (two / "b").hardlink_to(two / "a")
    (two / "c").chmod(0o600)
    os.utime(two / "c", (5, 5))
    one = written(tmp_path / "one/same")
    assert one.replace(b"/one", b"/two") != one
    assert [each for _, each in read_back(one)][-4:] == [each for _, each in read_back(written(two))][-4:]


def test_the_bytes_are_settled(tmp_path: Path) -> None:
    """A change of the recipe is a change of RECIPE too: then this digest is another."""
    long = b"nix/store/" + b"d" * 100 + b"/" + b"n" * 120
    data = b"".join(
        (
            header(b"nix/store/", form("folder", 0o755)),
            header(b"nix/store/a", form("file", 0o444), size=3) + b"abc" + padding(3),
            header(long, form("symlink", 0o777), target=b"t" * 101),
            header(b"big", form("file", 0o555, uid=7, gid=8), size=1 << 33),
            END,
        )
    )
    assert (
        hashlib.sha256(data).hexdigest() == "1508a41e41185f6640c15cc6564c242e1708d18cbbea8e0e0c6824e4b99e1cc7"
    )


def test_a_size_beyond_ustar_is_read_back() -> None:
    data = header(b"big", form("file", 0o444), size=1 << 33)
    assert tarfile.TarInfo.frombuf(data[:512], "utf-8", "strict").type == tarfile.XHDTYPE
    with tarfile.open(fileobj=io.BytesIO(data + END)) as archive:
        member = archive.next()
    assert member
    assert member.size == 1 << 33


@pytest.mark.parametrize("length", [99, 100, 101, 155, 156, 157, 255, 256, 257, 300, 4000])
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("part", [8, 99, 100, 101, 200])
def test_names_of_every_length_are_read_back(length: int, slash: str, part: int) -> None:
    whole = ("/".join(["p" * part] * (length // part + 1)))[:length].rstrip("/") + slash
    data = header(whole.encode(), form("folder" if slash else "file", 0o555)) + END
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == [whole.rstrip("/")]
        assert archive.getmembers()[0].isdir() == bool(slash)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, CHUNK - 512, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_pieces_of_any_size_are_the_same_stream(tmp_path: Path, size: int) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(size))
    whole = written(file)
    for step in (1000, CHUNK):
        with tar_of([str(file)]) as reader:
            assert b"".join(iter(functools.partial(reader.read, step), b"")) == whole
    assert dict(read_back(whole))[os.fsencode(file)[1:]].content == file.read_bytes()


@pytest.mark.slow
def test_a_folder_deeper_than_the_stack(tmp_path: Path) -> None:
    place = tmp_path
    for _ in range(1500):
        place = place / "d"
        place.mkdir()
    try:
        data = written(tmp_path / "d")
    finally:
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)  # deeper than shutil.rmtree goes
    assert data.count(b"ustar") > 1500


@pytest.mark.slow
def test_a_large_file_costs_no_memory(tmp_path: Path) -> None:
    import tracemalloc

    tracemalloc.start()
    length = 0
    with tar_of([sparse(tmp_path, 256 << 20)]) as reader:
        while data := reader.read(CHUNK):
            length += len(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert length > 256 << 20
    assert peak < 8 * CHUNK


def test_a_file_of_ten_gigabytes_has_its_size_in_the_header(tmp_path: Path) -> None:
    with tar_of([sparse(tmp_path, 10 << 30)]) as reader:
        begun = reader.read(CHUNK)
    with tarfile.open(fileobj=io.BytesIO(begun)) as tar:
        member = next(member for member in tar if member.isfile())
    assert member.size == 10 << 30


def sparse(folder: Path, size: int) -> str:
    file = folder / "sparse"
    with file.open("wb") as handle:
        handle.truncate(size)
    return str(file)


@pytest.mark.slow
def test_a_small_file_costs_little(tmp_path: Path) -> None:
    """41 calls a file, system calls included."""
    for number in range(10):
        (tmp_path / f"folder-{number}").mkdir()
        for file in range(200):
            (tmp_path / f"folder-{number}/file-{file}.txt").write_bytes(b"x" * file)

    def read() -> None:
        with tar_of([str(tmp_path)]) as reader:
            while reader.read(CHUNK):
                pass

    assert calls_of(read) / 2_010 < 45
