"""Headers as Go's archive/tar writes them: in the block what has room there, in a pax header what has none."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest

from flakeship.image.tar.go import Attributes, Owner, header
from flakeship.image.tar.header import Kind

SHORT = 512
"""Bytes of a header without a pax header before it."""
LARGEST = 8**11 - 1


def read(data: bytes) -> tarfile.TarInfo:
    with tarfile.open(fileobj=io.BytesIO(data + bytes(1024))) as archive:
        member = archive.next()
    assert member
    return member


def attributes(kind: Kind = "file", **owner: Any) -> Attributes:
    return Attributes(kind, 0o644, 1, Owner(**owner))


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("a" * 100, True),
        ("a" * 101, False),
        ("a/" + "b" * 100, True),
        ("a/" + "b" * 101, False),
        ("a" * 155 + "/" + "b" * 100, True),
        ("a" * 156 + "/b", False),
        ("/" + "b" * 100, False),
        ("a/" * 76 + "abc/" + "b" * 100, True),
        ("a/" * 76 + "abcd/" + "b" * 100, False),
        ("a/" * 77 + "b" * 100, True),
        ("ä" + "b" * 20, False),
    ],
)
def test_names_of_every_length_are_read_back(name: str, short: bool) -> None:
    data = header(name.encode(), attributes())
    assert read(data).name == name
    assert (len(data) == SHORT) == short


def test_a_folder_has_its_slash_behind_its_name() -> None:
    name = "a" * 60 + "/" + "b" * 60 + "/"
    data = header(name.encode(), attributes("folder"))
    assert (read(data).name + "/", len(data)) == (name, SHORT)


@pytest.mark.parametrize(("size", "short"), [(0, True), (LARGEST, True), (LARGEST + 1, False)])
def test_sizes(size: int, short: bool) -> None:
    for name in ("a", "a" * 101):
        data = header(name.encode(), attributes(), size=size)
        assert (b" size=%d\n" % size in data) != short
        assert (len(data) == SHORT) == (short and name == "a")
    assert header(b"a", attributes(), size=size)[-512 + 124 : -512 + 135] == (
        b"%011o" % (size if short else 0)
    )


@pytest.mark.parametrize(("target", "short"), [("a" * 100, True), ("a" * 101, False), ("ä", False)])
def test_targets(target: str, short: bool) -> None:
    data = header(b"a", attributes("symlink"), target=target.encode())
    assert read(data).linkname == target
    assert (len(data) == SHORT) == short


@pytest.mark.parametrize(
    ("owner", "short"),
    [
        ({"uid": 8**7 - 1, "gid": 8**7 - 1}, True),
        ({"uid": 8**7}, False),
        ({"gid": 8**7}, False),
        ({"uid": -1}, False),
        ({"uname": b"u" * 32, "gname": b"g" * 32}, True),
        ({"uname": b"u" * 33}, False),
        ({"gname": b"g" * 33}, False),
        ({"gname": "ü".encode()}, False),
    ],
)
def test_owners(owner: dict[str, Any], short: bool) -> None:
    data = header(b"a", attributes(**owner))
    assert (len(data) == SHORT) == short
    member = read(data)
    for key, value in owner.items():
        assert getattr(member, key) == (value.decode() if isinstance(value, bytes) else value)


def test_what_is_cut_off_looks_like_no_folder() -> None:
    """Some readers take a name with a slash at its end for a folder's, whatever the header says."""
    block = header(b"a" * 98 + b"//" + b"b" * 120, attributes())[-512:]
    assert block[:100] == b"a" * 98 + b"\0/"
    assert header(b"a" * 120, attributes())[-512:][:100] == b"a" * 100


def test_what_is_beyond_ascii_is_in_the_records_alone() -> None:
    """The bytes at both ends of what UTF-8 may hold, and beyond."""
    data = header(b"a\x7f\x80\xbf\xc0\xffb", attributes())
    assert data[-512:].startswith(b"a\x7fb\0")
    assert b" path=a\x7f\x80\xbf\xc0\xffb\n" in data
