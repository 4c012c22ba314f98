"""Members by name, and the links among them: followed inside, and judged only where they are followed."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from flakeship.errors import NotAnImageError
from flakeship.image.tar.blocks import DamagedError
from flakeship.image.tar.members import Members
from tests.testbed.archive_shapes import Item, packed

SYMBOLIC, HARD, FOLDER = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE


def link(name: str, target: str, kind: bytes = SYMBOLIC) -> Item:
    return Item(name, kind=kind, link=target)


def members(path: Path, *items: Item) -> Members:
    (path / "archive").write_bytes(packed(items))
    return Members(path / "archive")


FOLLOWED: Final[dict[str, Sequence[Item]]] = {
    "itself": (Item("a/b", b"x"),),
    "symbolic": (Item("c", b"x"), link("a/b", "../c")),
    "symbolic, beside it": (link("a/b", "c"), Item("a/c", b"x")),
    "hard": (Item("c", b"x"), link("a/b", "c", HARD)),
    "hard, with a dot": (Item("./c", b"x"), link("./a/b", "./c", HARD)),
    "hard to a symbolic": (Item("d", b"x"), link("a/c", "../d"), link("a/b", "a/c", HARD)),
    "symbolic to a hard": (Item("d", b"x"), link("c", "d", HARD), link("a/b", "../c")),
    "a folder": (Item("d/b", b"x"), link("a", "d")),
    "a folder above": (Item("b", b"x"), link("a", ".")),
    "a folder of a folder": (Item("e/f/b", b"x"), link("d", "e/f"), link("a", "d")),
    "up from behind a link": (link("a", "d/e"), link("d/e/b", "../c"), Item("d/c", b"x")),
    "the last counts": (Item("a/b", b"stale"), link("a/b", "../c"), Item("c", b"x")),
    "the last is no link": (link("a/b", "../c"), Item("c", b"stale"), Item("a/b", b"x")),
    "many": (Item("0", b"x"), *(link(str(n), str(n - 1)) for n in range(1, 39)), link("a/b", "../38")),
    "beside what leads out": (Item("a/b", b"x"), link("l", "../../etc/passwd"), link("m", "/etc/passwd", HARD)),
    "beside a device": (Item("a/b", b"x"), Item("dev/null", kind=tarfile.CHRTYPE)),
    "beside a circle": (Item("a/b", b"x"), link("l", "m"), link("m", "l")),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLLOWED)
def test_what_is_followed(tmp_path: Path, name: str) -> None:
    archive = members(tmp_path, *FOLLOWED[name])
    found = archive.find("a/b")
    assert found
    with archive.open(found) as reader:
        assert reader.read() == b"x"
    assert archive.find("./a//b") == found
    assert archive.find("none") is None
    assert archive.marked


REFUSED: Final[dict[str, tuple[Sequence[Item], str]]] = {
    "symbolic, out": ((link("a/b", "../../c"),), "its link 'a/b' leads out of it"),
    "symbolic, absolute": ((link("a/b", "/c"), Item("c")), "its link 'a/b' leads out of it"),
    "hard, out": ((link("a/b", "../c", HARD),), "its link 'a/b' leads out of it"),
    "hard, absolute and out": ((link("a/b", "/../c", HARD), Item("c")), "its link 'a/b' leads out of it"),
    "a folder, out": ((link("a", "../x"),), "leads out of it"),
    "by way of another": ((link("a/b", "c"), link("a/c", "../../d")), "leads out of it"),
    "a circle": ((link("a/b", "c"), link("a/c", "b")), "'a/b' is a link that leads in a circle"),
    "itself": ((link("a/b", "b"),), "leads in a circle"),
    "a folder in itself": ((link("a", "a/a"),), "leads in a circle"),
    "a device": ((Item("a/b", kind=tarfile.CHRTYPE),), "is a device, a pipe or of an unknown type"),
    "a link to a pipe": ((link("a/b", "c"), Item("a/c", kind=tarfile.FIFOTYPE)), "is a device, a pipe"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_where_it_is_needed(tmp_path: Path, name: str) -> None:
    items, words = REFUSED[name]
    archive = members(tmp_path, *items, Item("other", b"y"))
    with pytest.raises(NotAnImageError, match=words) as caught:
        archive.find("a/b")
    assert caught.value.hint
    assert archive.find("other")


def test_what_is_no_file(tmp_path: Path) -> None:
    archive = members(tmp_path, Item("a", kind=FOLDER), link("b", "a"), link("c", "none"))
    assert [archive.find(name) for name in ("a", "b", "c")] == [None, None, None]
    assert archive.names() == ["a", "b", "c"]


def test_an_archive_that_goes_away(tmp_path: Path) -> None:
    archive = members(tmp_path, Item("a", b"x"))
    found = archive.find("a")
    (tmp_path / "archive").unlink()
    assert found
    with pytest.raises(DamagedError, match="was removed while it was read"):
        archive.open(found)
