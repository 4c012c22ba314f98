"""A store that hands out NARs, asked as a source asks it: links between store paths, copies, and what is not there."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from flakeship.errors import NotAnImageError
from flakeship.image.stream import Pieces, Reader
from flakeship.image.tar.files import Tree
from flakeship.sources.nar_files import NarFiles
from flakeship.store_paths import STORE

A, B, C, D = (f"{STORE}{letter * 32}-{letter}" for letter in "abcd")


@dataclass
class Handing:
    """Store paths by name, as they lie below `folder`; `asked` are those whose NARs were handed out."""

    folder: Path
    asked: list[str] = field(default_factory=list)

    def at(self, path: str) -> Path:
        return self.folder / path.removeprefix(STORE)

    def nars(self, paths: Sequence[str]) -> Generator[Reader, None, None]:
        for path in paths:
            self.asked.append(path)
            argv = ["nix-store", "--dump", str(self.at(path))]
            with subprocess.Popen(argv, stdout=subprocess.PIPE) as dump:
                assert dump.stdout
                yield dump.stdout


@pytest.fixture
def handing(tmp_path: Path) -> Handing:
    """A is a package with links into B; C is a link to A, and D one to a file of B."""
    found = Handing(tmp_path / "store")
    (found.at(A) / "bin").mkdir(parents=True)
    (found.at(A) / "bin/own").write_text("#!")
    (found.at(A) / "bin/own").chmod(0o555)
    (found.at(A) / "bin/other").symlink_to(f"{B}/bin/it")
    (found.at(A) / "bin/near").symlink_to("../bin/./own")
    (found.at(A) / "share").symlink_to(f"{B}/share")
    (found.at(A) / "out").symlink_to("/etc/passwd")
    (found.at(A) / "above").symlink_to("../../../../etc/passwd")
    (found.at(A) / "circle").symlink_to("circle")
    (found.at(B) / "bin").mkdir(parents=True)
    (found.at(B) / "bin/it").write_text("text")
    (found.at(B) / "share/deep").mkdir(parents=True)
    (found.at(B) / "share/deep/back").symlink_to("..")
    (found.at(B) / "share/file").write_text("shared")
    found.at(C).symlink_to(A)
    found.at(D).symlink_to(f"{B}/bin/it")
    return found


@pytest.fixture
def files(handing: Handing, tmp_path: Path) -> NarFiles:
    return NarFiles(handing.nars, {A, B, C, D}.__contains__, tmp_path / "brought")


def test_links_are_followed_through_the_store_and_not_out_of_it(files: NarFiles, handing: Handing) -> None:
    assert files.names(f"{C}/bin") == [b"near", b"other", b"own"]
    assert (files.kind(f"{A}/bin/own"), files.is_program(f"{A}/bin/near")) == ("file", True)
    assert handing.asked == [C, A], "each once, and no other"
    assert (files.kind(f"{A}/bin/other"), files.is_program(f"{A}/bin/other")) == ("file", False)
    assert files.real(f"{A}/share/file") == f"{B}/share/file"
    assert files.kind(f"{A}/share") == "folder"
    for name in ("out", "above", "circle", "none", "bin/own/below"):
        assert files.kind(f"{A}/{name}") is None
        with pytest.raises(NotAnImageError, match="leads to nothing"):
            files.here(f"{A}/{name}")
    assert not files.is_inside(f"{A}/out", "/nix/store")
    assert files.is_inside(f"{A}/share/file", "/nix/store")
    assert files.kind(f"{STORE}{'0' * 32}-unknown") is None
    assert [files.whole_store_path(path) for path in (A, C, D)] == [A, A, D]


def test_a_large_file_is_there_once(files: NarFiles, handing: Handing, mocker: MockerFixture) -> None:
    """Whoever wants a copy of its folder gets it by another name; what is brought for one tar alone is removed."""
    mocker.patch("flakeship.image.nar.tree._LARGE", 5)

    def write(trees: Tree) -> Pieces:
        yield bytes(trees.status(os.fsencode(f"{B}/share/file")).st_size)

    tar = files.tar_by(write, [B])
    assert tar.read() == bytes(6)
    assert not list(files.folder.iterdir())
    copy = files.here(A)
    assert [(copy / name).stat().st_nlink > 1 for name in ("share/file", "bin/other")] == [True, False]
    assert (copy / "share/file").read_text() == "shared"


def test_copies_hold_no_link(files: NarFiles) -> None:
    copy = files.here(A)
    assert sorted(path.name for path in copy.iterdir()) == ["bin", "share"]
    assert not [path for path in copy.rglob("*") if path.is_symlink()]
    assert (copy / "bin/other").read_text() == "text"
    assert (copy / "share/file").read_text() == "shared"
    assert files.here(f"{A}/bin/near").read_text() == "#!"
    assert os.access(files.here(f"{A}/bin/near"), os.X_OK)
    assert files.here(A) == copy
