"""NARs that no Nix wrote: each is refused, and none of them makes us read without end or write anywhere."""

from __future__ import annotations

import io
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.image.nar.reader import DamagedNarError, Entry, NarReader


def token(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text + bytes(-len(text) % 8)


def words(*texts: bytes) -> bytes:
    return b"".join(map(token, texts))


def regular(content: bytes = b"") -> bytes:
    return words(b"(", b"type", b"regular", b"contents", content, b")")


def link(target: bytes) -> bytes:
    return words(b"(", b"type", b"symlink", b"target", target, b")")


def folder(*entries: tuple[bytes, bytes]) -> bytes:
    inner = b"".join(
        words(b"entry", b"(", b"name", name, b"node") + node + token(b")") for name, node in entries
    )
    return words(b"(", b"type", b"directory") + inner + token(b")")


def nar(node: bytes) -> bytes:
    return token(b"nix-archive-1") + node


GOOD = nar(folder((b"a", regular(b"content")), (b"b", folder((b"c", link(b"../a")))), (b"d", regular())))


def entries(data: bytes) -> list[Entry]:
    return list(NarReader(io.BytesIO(data)))


def test_entries_in_order() -> None:
    assert [(entry.path, entry.kind, entry.size, entry.target) for entry in entries(GOOD)] == [
        (b"", "folder", 0, b""),
        (b"a", "file", 7, b""),
        (b"b", "folder", 0, b""),
        (b"b/c", "symlink", 0, b"../a"),
        (b"d", "file", 0, b""),
    ]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cut off"),
        (b"PK\3\4" * 20, "not those that Nix writes"),
        (nar(folder((b"..", regular()))), "no file can have"),
        (nar(folder((b"", regular()))), "no file can have"),
        (nar(folder((b"a/b", regular()))), "no file can have"),
        (nar(folder((b"a\0b", regular()))), "no file can have"),
        (nar(folder((b"b", regular()), (b"a", regular()))), "out of order"),
        (nar(folder((b"a", regular()), (b"a", link(b"/etc")))), "out of order"),
        (nar(folder((b"n" * 256, regular()))), "256 bytes"),
        (nar(link(b"t" * 5000)), "5000 bytes"),
        (nar(link(b"")), "link to"),
        (nar(link(b"a\0b")), "link to"),
        (nar(words(b"(", b"type", b"device", b")")), "type"),
        (nar(words(b"(", b"type", b"regular", b")")), "without a content"),
        (nar(words(b"(", b"type", b"regular", b"executable", b"yes", b"contents", b"", b")")), "not those"),
        (nar(words(b"(", b"type", b"symlink", b")")), "without a target"),
        (nar(words(b"(", b"type", b"directory", b"other")), "in place of an entry"),
        (GOOD + b"\0", "goes on"),
        (nar(regular(b"abc")).replace(b"abc\0", b"abc\1"), "padding"),
        (nar(folder((b"a", regular()))).replace(b"a\0", b"a\1"), "padding"),
        (nar(words(b"(", b"type", b"regular", b"contents") + b"\xff" * 8), "length of"),
        (nar(words(b"(", b"type", b"regular", b"contents") + (1 << 50).to_bytes(8, "little")), "cut off"),
    ],
)
def test_refused(data: bytes, why: str) -> None:
    with pytest.raises(DamagedNarError, match=why):
        entries(data)


def test_depth_has_an_end() -> None:
    def deep() -> Iterable[bytes]:
        yield token(b"nix-archive-1")
        while True:
            yield words(b"(", b"type", b"directory", b"entry", b"(", b"name", b"n" * 200, b"node")

    class Endless(io.RawIOBase):
        source = iter(deep())

        def read(self, size: int = -1, /) -> bytes:
            return next(self.source)

    with pytest.raises(DamagedNarError, match="too long"):
        list(NarReader(Endless()))


@given(cut=st.integers(0, len(GOOD) - 1))
def test_cut_anywhere(cut: int) -> None:
    with pytest.raises(DamagedNarError, match="cut off"):
        entries(GOOD[:cut])


@given(place=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255), step=st.integers(1, 50))
def test_one_byte_changed(place: int, byte: int, step: int) -> None:
    """It is refused, or read as another tree; whatever the pieces in which it comes."""
    data = GOOD[:place] + bytes([byte]) + GOOD[place + 1 :]

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(step, size or 0))

    try:
        found = list(NarReader(Slow(data)))
    except DamagedNarError:
        return
    assert [entry.kind for entry in found] == [entry.kind for entry in entries(data)]
