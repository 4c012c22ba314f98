"""Which folders Nix copies whole, and what of a run lies in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship import events
from flakeship.commands.publish.own_sources import copied_folder, warn_of_own_sources
from flakeship.nix.installable import Installable


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "app/sub").mkdir(parents=True)
    for folder in ("app", "app/sub"):
        (tmp_path / folder / "flake.nix").write_text("{ }")
    return tmp_path / "app"


@pytest.mark.parametrize(
    ("flake", "git", "copied"),
    [
        (".#image", False, "."),
        (".#image", True, None),
        ("./sub", False, "sub"),
        ("./sub", True, None),
        ("path:.#image", True, "."),
        ("path:.?dir=sub", True, "."),
        ("git+file:.", True, None),
        ("github:a/b", False, None),
    ],
)
def test_what_nix_copies(app: Path, flake: str, git: bool, copied: str | None) -> None:
    if git:
        (app / ".git").mkdir()
    found = copied_folder(Installable.parse(flake, cwd=app))
    assert found == (copied and (app / copied).resolve())


@pytest.mark.parametrize(
    ("place", "git", "told"),
    [
        ("image.tar", False, "git init"),
        ("flakeship-image", True, "write `.` in place"),
        (".", False, "git init"),
        ("../image.tar", False, ""),
    ],
)
def test_a_place_inside_is_warned_of(app: Path, place: str, git: bool, told: str) -> None:
    if git:
        (app / ".git").mkdir()
    emitted: list[events.Event] = []
    flakes = [Installable.parse(text, cwd=app) for text in ("path:.#a", "path:.#b")]
    assert warn_of_own_sources(flakes, [app / place, app / place], emitted.append) == bool(told)
    assert [told in str(event) for event in emitted] == [True] * bool(told)
