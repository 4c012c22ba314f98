"""The reader of tar archives, beside the standard library's, and against hostile ones."""

from __future__ import annotations

import contextlib
import io
import tarfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flakeship.errors import NotAnImageError
from flakeship.image.stream import Stream, chunks, read_full
from flakeship.image.tar.blocks import Bounded, DamagedError, number
from flakeship.image.tar.reader import MEMBER_LIMIT, Member, TarReader, inside, is_tar
from tests.testbed.archive_shapes import Item, packed

NAMES = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/"), min_size=1, max_size=60
)
PATHS = st.lists(NAMES.filter(lambda name: name not in {".", ".."}), min_size=1, max_size=5).map("/".join)
ITEMS = st.lists(
    st.one_of(
        st.builds(Item, PATHS, st.binary(max_size=1500)),
        st.builds(Item, PATHS, st.just(b""), st.just(tarfile.DIRTYPE)),
        st.builds(Item, PATHS, st.just(b""), st.just(tarfile.LNKTYPE), PATHS),
    ),
    max_size=6,
)


class Pipe(Stream):
    """Hands out small pieces, and can't be sought in."""

    def __init__(self, data: bytes, piece: int = 7) -> None:
        self._rest, self._piece = memoryview(data), piece

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1, /) -> bytes:
        assert size >= 0
        size = min(size, self._piece)
        data, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return data


def read(file: Any, *, contents: bool = True) -> list[tuple[Member, bytes]]:
    reader = TarReader(file)
    return [(member, b"".join(chunks(reader.data())) if contents else b"") for member in reader]


@settings(deadline=None)
@given(ITEMS, st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]), st.booleans())
def test_as_the_standard_library_reads_it(items: list[Item], style: int, contents: bool) -> None:
    data = packed(items, style=style)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        expected = [
            (inside(member.name), member.size if member.isreg() else 0, member.isdir())
            for member in tar.getmembers()
        ]
    for file in (io.BytesIO(data), Pipe(data)):
        found = read(file, contents=contents)
        assert [(m.name, m.size, m.kind == "folder") for m, _ in found] == expected
        for member, content in found:
            assert data[member.offset : member.offset + member.size] == content or not contents
    assert not items or is_tar(data[:512])


@pytest.mark.parametrize("partly", [0, 1, 511, 512, 513, 1000])
def test_data_may_be_read_in_part(partly: int) -> None:
    data = packed([Item("a", b"x" * 1000), Item("b", b"y" * 1000)])
    for file in (io.BytesIO(data), Pipe(data)):
        reader = TarReader(file)
        assert [(m.name, read_full(reader.data(), partly)) for m in reader] == [
            ("a", b"x" * partly), ("b", b"y" * partly),
        ]  # fmt: skip


WHOLE = packed([Item("a", b"x" * 700), Item("d" * 120, b"y" * 10), Item("c", kind=tarfile.SYMTYPE, link="a")])
END = len(WHOLE.rstrip(b"\0")) + 511 & ~511
CUTS = sorted({cut + shift for cut in range(0, END, 512) for shift in (-1, 0, 1) if cut + shift >= 0})


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("kind", [io.BytesIO, Pipe])
def test_cut_off_anywhere(cut: int, kind: Any) -> None:
    """Damaged, or between two members: then the first of them, and no mark at the end."""
    whole = [member for member, _ in read(kind(WHOLE), contents=False)]
    reader = TarReader(kind(WHOLE[:cut]))
    if cut in BOUNDARIES or cut + 1 in BOUNDARIES[1:]:  # but for a byte of padding
        found = list(reader)
        assert not reader.marked
        assert found == whole[: sum(end <= cut + 1 for end in BOUNDARIES[1:])]
    else:
        with pytest.raises(DamagedError, match=r"ends|truncated"):
            list(reader)


BOUNDARIES = [0, 1536, 3584, END]
"""Where the members of WHOLE begin and end."""


def test_the_mark_at_the_end() -> None:
    for marked, rest in ((False, b""), (True, bytes(512)), (True, bytes(1024)), (True, bytes(512) + b"x")):
        for kind in (io.BytesIO, Pipe):
            reader = TarReader(kind(WHOLE[:END] + rest))
            assert len(list(reader)) == 3
            assert reader.marked is marked


@pytest.mark.parametrize("padding", [0, 1, 323, 324])
def test_the_last_member_may_lack_its_padding(padding: int) -> None:
    """As Go reads it, and so docker, skopeo and crane: its content is whole."""
    data = packed([Item("a", b"x" * 700)])[: 512 + 700 + padding]
    for kind in (io.BytesIO, Pipe):
        for contents in (True, False):
            assert [member.name for member, _ in read(kind(data), contents=contents)] == ["a"]
        with pytest.raises(DamagedError, match="1 byte too early"):
            read(kind(data[: 512 + 699]), contents=False)


@pytest.mark.parametrize("position", range(0, 512, 3))
def test_a_flipped_bit_in_a_header_is_no_end(position: int) -> None:
    data = bytearray(WHOLE)
    data[position] ^= 0x10
    with pytest.raises(NotAnImageError):
        read(io.BytesIO(data))


def header(size: bytes = b"00000000000\0", *, kind: bytes = b"0", name: bytes = b"a") -> bytes:
    block = bytearray(512)
    block[: len(name)] = name
    block[100:124] = b"\0".join((b"0000644", b"0000000", b"0000000", b""))
    block[124:136], block[136:148] = size, b"00000000000\0"
    block[148:156], block[156:157], block[257:265] = b" " * 8, kind, b"ustar\x0000"
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (b"\xff" + b"\xff" * 11, "claims -1 bytes"),
        (b"\xff" * 10 + b"\xfe\x00", "claims -512 bytes"),
        (b"\x80\x7f" + b"\xff" * 10, "claims"),
        (b"77777777777\0", "too early"),
    ],
)
@pytest.mark.parametrize("kind", [io.BytesIO, Pipe])
def test_absurd_sizes(size: bytes, words: str, kind: Any) -> None:
    with pytest.raises(DamagedError) as caught:
        read(kind(header(size) + bytes(2048)), contents=False)
    assert words in caught.value.message


@pytest.mark.parametrize("kind", [b"x", b"L", b"K", b"g"])
def test_an_extended_header_of_absurd_size(kind: bytes) -> None:
    with pytest.raises(DamagedError, match="an extended header claims"):
        read(io.BytesIO(header(b"00100000001\0", kind=kind) + bytes(2048)))


@pytest.mark.parametrize(
    "record",
    [
        b"5 a=\n",
        b"x",
        b"0 \n",
        b"2 5 a=\n",
        b"999999999999 path=a\n",
        b"99 path=a\n",
        b"-3 path=a\n",
        b"11path=abc\n",
    ],
)
def test_damaged_pax_records(record: bytes) -> None:
    size = f"{len(record):011o}\0".encode()
    block = header(size, kind=b"x") + record.ljust(512, b"\0") + header() + bytes(1024)
    if record == b"5 a=\n":
        assert [member.name for member, _ in read(io.BytesIO(block))] == ["a"]
    else:
        with pytest.raises(DamagedError, match="a pax header is damaged"):
            read(io.BytesIO(block))


def test_many_pax_records_take_no_time_of_their_square() -> None:
    record = b"5 a=\n" * 200_000
    padded = record + bytes(-len(record) % 512)
    data = header(f"{len(record):011o}\0".encode(), kind=b"x") + padded + header() + bytes(1024)
    assert [member.name for member, _ in read(io.BytesIO(data))] == ["a"]


def test_an_extended_header_without_a_member() -> None:
    with pytest.raises(DamagedError, match="behind an extended header"):
        read(io.BytesIO(header(b"00000000011\0", kind=b"x") + b"9 path=a\n".ljust(512, b"\0") + bytes(1024)))


@pytest.mark.parametrize("name", ["../a", "/../a", "a/../../b", "..", "a/../..", "a\0b", "./../x"])
def test_names_that_lead_out(name: str) -> None:
    with pytest.raises(NotAnImageError, match="leads out of the archive") as caught:
        inside(name)
    assert "do not trust" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a/../b", "b"),
        ("./a//b/", "a/b"),
        ("./", "."),
        ("..a/...", "..a/..."),
        ("/etc/passwd", "etc/passwd"),
        ("//x", "x"),
        ("/", "."),
    ],
)
def test_names_that_stay_inside(name: str, path: str) -> None:
    assert inside(name) == path


def test_a_name_too_long() -> None:
    with pytest.raises(NotAnImageError, match="more than 4096 characters") as caught:
        read(io.BytesIO(packed([Item("n" * 4097)])))
    assert caught.value.hint
    assert len(read(io.BytesIO(packed([Item("n" * 4096)])))) == 1


@pytest.mark.parametrize("name", ["../up", "/../up"])
def test_members_that_lead_out(name: str) -> None:
    with pytest.raises(NotAnImageError, match="leads out of the archive"):
        read(io.BytesIO(packed([Item(name)])))


def v7(name: bytes, data: bytes = b"", *, kind: bytes = b"\0", target: bytes = b"") -> bytes:
    """A member as Unix V7 writes it: no magic, no names, nothing behind the target."""
    block = bytearray(512)
    block[: len(name)], block[157 : 157 + len(target)] = name, target
    block[100:136] = b"%06o \0%06o \0%06o \0%011o " % (0o644, 0, 0, len(data))
    block[136:156], block[156:157] = b"%011o         " % 1, kind
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + data + bytes(-len(data) % 512)


def test_the_oldest_form_is_known_by_its_checksum() -> None:
    data = v7(b"folder/") + v7(b"folder/a", b"x" * 700) + v7(b"l", kind=b"2", target=b"folder/a")
    assert is_tar(data[:512])
    assert [(member.name, member.kind, content) for member, content in read(io.BytesIO(data))] == [
        ("folder", "folder", b""), ("folder/a", "file", b"x" * 700), ("l", "symlink", b""),
    ]  # fmt: skip
    assert not is_tar(b"F" + data[1:512])
    assert not is_tar(data[:511])
    assert not is_tar(b"short")


def test_a_sum_of_signed_bytes() -> None:
    """As Sun's tar added them up."""
    block = bytearray(header(name="caf\u00e9".encode()))
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(byte - 256 * (byte > 127) for byte in block)
    assert [member.name for member, _ in read(io.BytesIO(bytes(block)))] == ["caf\u00e9"]


def test_gnus_old_form_has_times_where_posix_has_a_prefix() -> None:
    """`tar --listed-incremental`, and what writes atime and ctime."""
    block = bytearray(header(name=b"manifest.json"))
    block[257:265], block[345:357], block[148:156] = b"ustar  \0", b"14755640000\0", b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    assert [member.name for member, _ in read(io.BytesIO(bytes(block)))] == ["manifest.json"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"00000000644\0", 0o644), (b"        644 ", 0o644), (bytes(12), 0), (b"            ", 0), (b"777\0junk", 0o777),
        (b"\x80" + bytes(10) + b"\x07", 7), (b"\xff" * 12, -1), (b"\x80\0\0\x02" + bytes(8), 1 << 65),
    ],
)  # fmt: skip
def test_numbers(field: bytes, value: int) -> None:
    assert number(field) == value


@pytest.mark.parametrize("field", [b"0x12", b"9", b"-1", b"1 2"])
def test_no_numbers(field: bytes) -> None:
    with pytest.raises(ValueError, match="is not an octal number"):
        number(field)


def test_an_empty_record_is_none() -> None:
    """pax(1): "If the <value> field is zero length, it shall delete any header block field" and so forth."""
    record = b"8 path=\n"
    data = header(b"%011o\0" % len(record), kind=b"x") + record.ljust(512, b"\0") + header(name=b"b")
    assert [member.name for member, _ in read(io.BytesIO(data))] == ["b"]


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"V", b"D", b"M", b"Z"])
def test_what_is_nothing_to_us_is_passed_over(kind: bytes) -> None:
    """Devices, pipes, and of GNU's tar labels, lists of folders and parts of volumes, of which some have data."""
    size = b"00000000000\0" if kind in b"346" else b"00000000003\0"
    data = header(size, kind=kind, name=b"odd") + (b"abc" if kind not in b"346" else b"").ljust(512, b"\0")
    if kind in b"346":
        data = header(b"00000000003\0", kind=kind, name=b"odd")  # a size that means nothing
    for file in (io.BytesIO, Pipe):
        found = read(file(data + header(name=b"b")), contents=False)
        assert [(member.name, member.kind) for member, _ in found] == [("odd", "other"), ("b", "file")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [b"0", b"g"])
def test_too_many_members(kind: bytes) -> None:
    block = header(kind=kind)
    assert len(read(io.BytesIO(block * MEMBER_LIMIT + bytes(1024)))) == (MEMBER_LIMIT if kind == b"0" else 0)
    with pytest.raises(NotAnImageError, match=f"more than {MEMBER_LIMIT} members"):
        read(io.BytesIO(block * (MEMBER_LIMIT + 1) + bytes(1024)))


@settings(deadline=None)
@given(st.binary(max_size=3000))
def test_garbage_is_an_error_of_ours(data: bytes) -> None:
    with contextlib.suppress(NotAnImageError):
        read(io.BytesIO(data))


def test_bounded() -> None:
    assert b"".join(chunks(Bounded(io.BytesIO(b"12345"), 3))) == b"123"
    with pytest.raises(DamagedError, match="ends 2 bytes too early"):
        list(chunks(Bounded(io.BytesIO(b"123"), 5)))


def test_every_digit_of_a_checksum_counts() -> None:
    """One of a long name and a long target beyond ASCII has six of them."""
    member = tarfile.TarInfo("ÿ" * 50)
    member.type, member.linkname = tarfile.SYMTYPE, "ÿ" * 50
    block = member.tobuf(tarfile.GNU_FORMAT)
    assert int(block[148:154], 8) >= 8**5
    assert [found.name for found, _ in read(io.BytesIO(block + bytes(1024)))] == [member.name]
