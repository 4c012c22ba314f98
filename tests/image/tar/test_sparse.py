"""Files that are stored without their zeros, in each form that GNU tar writes, and the maps that lie."""

from __future__ import annotations

import io
import os
import random
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from flakeship.image.stream import chunks, sha256_of
from flakeship.image.tar import sparse
from flakeship.image.tar.blocks import DamagedError
from flakeship.image.tar.members import Members
from flakeship.image.tar.reader import TarReader
from flakeship.image.tar.sparse import SIZE_LIMIT, Layout, of_header
from tests.image.tar.test_reader import Pipe, header

FORMS: Final = {
    "gnu": ("--format=gnu",),
    "oldgnu": ("--format=oldgnu",),
    "pax 0.0": ("--format=posix", "--sparse-version=0.0"),
    "pax 0.1": ("--format=posix", "--sparse-version=0.1"),
    "pax 1.0": ("--format=posix", "--sparse-version=1.0"),
}
"""https://www.gnu.org/software/tar/manual/html_node/Sparse-Formats.html."""


def holey(random_: random.Random) -> bytes:
    """Runs of zeros and of other bytes, of lengths that are no multiples of anything; it may begin and end with either."""
    runs = random_.choice([0, 1, 2, 5, 40, 40])
    lengths = [random_.choice([1, 511, 512, 513, 4096, 20_000]) for _ in range(runs)]
    zeros = random_.random() < 0.5
    return b"".join(
        bytes(length) if (number + zeros) % 2 else random_.randbytes(length)
        for number, length in enumerate(lengths)
    )


def write_with_holes(path: Path, data: bytes) -> None:
    """GNU tar looks for zeros only in a file that takes less space than its size."""
    with path.open("wb") as file:
        for place in range(0, len(data), 4096):
            if any(piece := data[place : place + 4096]):
                file.seek(place)
                file.write(piece)
        file.truncate(len(data))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_whole(tmp_path: Path, form: str) -> None:
    random_ = random.Random(form)
    contents = {f"{number:02}": holey(random_) for number in range(12)} | {"zeros": bytes(700_000)}
    for name, data in contents.items():
        write_with_holes(tmp_path / name, data)
    argv = ("tar", "--create", "--sparse", "--hole-detection=raw", *FORMS[form], "--file", "sparse.tar")
    subprocess.run([*argv, *contents], cwd=tmp_path, check=True)
    data = (tmp_path / "sparse.tar").read_bytes()
    assert len(data) < sum(map(len, contents.values())) - 500_000
    for file in (io.BytesIO(data), Pipe(data, 4000)):
        reader = TarReader(file)
        assert {member.name: b"".join(chunks(reader.data())) for member in reader} == contents
    for file in (io.BytesIO(data), Pipe(data, 4000)):
        assert [(m.name, m.size) for m in TarReader(file)] == [(n, len(c)) for n, c in contents.items()]
    members = Members(tmp_path / "sparse.tar")
    for name, content in contents.items():
        member = members.find(name)
        assert member
        with members.open(member) as opened:
            assert b"".join(chunks(opened)) == content


@pytest.mark.slow
def test_a_file_larger_than_any_memory_costs_none(tmp_path: Path) -> None:
    """A piece at its beginning, one at its end, and nothing between."""
    with (tmp_path / "large").open("wb") as file:
        file.write(b"begin")
        file.seek(64 << 20)
        file.write(b"end")
    subprocess.run(["tar", "-cSf", "large.tar", "large"], cwd=tmp_path, check=True)
    members = Members(tmp_path / "large.tar")
    member = members.find("large")
    assert member
    assert member.size == (64 << 20) + 3
    assert os.stat(tmp_path / "large.tar").st_size < 100_000  # noqa: PTH116
    with members.open(member) as opened, (tmp_path / "large").open("rb") as large:
        assert sha256_of(opened) == sha256_of(large)


def old(pairs: Sequence[tuple[int, int]], size: int, *, stored: int = 3) -> bytes:
    """A member of GNU's old form, whose data are `stored` bytes."""
    block = bytearray(header(b"%011o\0" % stored, kind=b"S"))
    for number, pair in enumerate(pairs):
        block[386 + 24 * number : 410 + 24 * number] = b"%011o\0%011o\0" % pair
    block[483:495], block[148:156] = b"\x80" + size.to_bytes(11, "big"), b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + b"abc".ljust(512, b"\0")


def records(*pairs: tuple[str, str], data: bytes = b"abc") -> bytes:
    """A member behind a pax header with these records of GNU.sparse."""
    text = b""
    for key, value in pairs:
        rest = f" GNU.sparse.{key}={value}\n"
        length = len(rest) + 2
        text += f"{length if length < 100 else length + 1}{rest}".encode()
    extended = header(b"%011o\0" % len(text), kind=b"x") + text.ljust(512, b"\0")
    return extended + header(b"%011o\0" % len(data)) + data.ljust(512, b"\0")


ONE = (("major", "1"), ("minor", "0"), ("realsize", "9"))
LIES: Final = {
    "overlap": (old([(0, 2), (1, 1)], 9), "overlap"),
    "backwards": (old([(5, 1), (0, 1)], 9), "overlap"),
    "more than is stored": (old([(0, 4)], 9), "longer than it is"),
    "beyond the end": (old([(8, 2)], 9), "longer than it is"),
    "a size beyond all": (old([(0, 3)], SIZE_LIMIT + 1), "claims 68719476737 bytes"),
    "no number": (old([(0, 3)], 9).replace(b"00000000003\0", b"0000000000x\0"), "damaged"),
    "half a pair": (records(("map", "0,1,2"), ("size", "9")), "does not say where"),
    "no size": (records(("map", "0,1")), "does not say where"),
    "a text": (records(("map", "0,a"), ("size", "9")), "does not say where"),
    "an unknown form": (records(("major", "2"), ("minor", "0"), ("realsize", "9")), "does not know"),
    "no map": (records(*ONE, data=b""), "does not say where"),
    "a map without an end": (records(*ONE, data=b"9" * 500), "does not say where"),
    "a map cut off": (records(*ONE, data=b"2\n0\n1\n"), "does not say where"),
    "a map of millions": (records(*ONE, data=b"9999999\n0\n1\n"), "more than 131072 pieces"),
    "a long number": (records(*ONE, data=b"1\n" + b"1" * 21 + b"\n1\n"), "does not say where"),
}


@pytest.mark.parametrize("name", LIES)
def test_maps_that_lie(name: str) -> None:
    data, words = LIES[name]
    for kind in (io.BytesIO, Pipe):
        with pytest.raises(DamagedError, match=words):
            list(TarReader(kind(data)))


@pytest.mark.parametrize(
    "data", [old([(1, 2), (6, 1)], 9), records(("map", "1,2,6,1"), ("size", "9"))], ids=["old", "pax"]
)
def test_maps_that_are_right(data: bytes) -> None:
    for kind in (io.BytesIO, Pipe):
        reader = TarReader(kind(data))
        assert [b"".join(chunks(reader.data())) for _ in reader] == [b"\0ab\0\0\0c\0\0"]


def test_pieces_are_counted_over_all_files(monkeypatch: pytest.MonkeyPatch) -> None:
    two, three = (old([(0, 1), (5, 1)], 9, stored=2) + old([(0, 1)] * count, 9) for count in (0, 1))
    monkeypatch.setattr(sparse, "SEGMENT_LIMIT", 2)
    assert len(list(TarReader(io.BytesIO(two)))) == 2
    with pytest.raises(DamagedError, match="more than 2 pieces"):
        list(TarReader(io.BytesIO(three)))


def test_numbers_in_each_block_are_whole() -> None:
    """Gigabytes apart, so that each of their digits counts."""
    pairs = [((number + 8) * 0o1654321012, 0o1234567) for number in range(25)]
    fields = [b"%011o\0%011o\0" % pair for pair in pairs]
    first = (bytes(386) + b"".join(fields[:4]) + b"\1" + b"%011o\0" % (1 << 32)).ljust(512, b"\0")
    second = b"".join(fields[4:]).ljust(512, b"\0")
    assert of_header(first, lambda: second) == Layout(pairs, 1 << 32)
    with pytest.raises(DamagedError):
        of_header(first, lambda: b"")
    for place in (386, 398, 483):
        with pytest.raises(DamagedError):
            of_header(first[:place] + b"no number..." + first[place + 12 :], lambda: second)


def test_a_header_that_goes_on_without_end() -> None:
    more = bytearray(512)
    more[0:24], more[504] = b"%011o\0%011o\0" % (0, 1), 1
    block = bytearray(old([(0, 1)], 9)[:512])
    block[482], block[148:156] = 1, b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    with pytest.raises(DamagedError, match="does not say where"):
        list(TarReader(io.BytesIO(bytes(block))))
    with pytest.raises(DamagedError, match="more than 131072 pieces"):
        list(TarReader(io.BytesIO(bytes(block) + bytes(more) * 7000)))
