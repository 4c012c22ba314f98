"""Versions, and what the files say of one."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from flakeship.errors import Error
from flakeship.rendering.files import rendered
from release import tree
from release.version import Version, versions
from tests.release.conftest import VERSION

DAY = date(2026, 12, 1)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Only what a release looks at, with nothing released yet."""
    for name, text in rendered().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "src/flakeship").mkdir(parents=True)
    (tmp_path / "src/flakeship/__init__.py").write_text(f'"""Words."""\n\n__version__ = "{VERSION}"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n### Added\n\n- A thing.\n")
    return tmp_path


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.2", "v1.2.3", "1.2.3-rc1", "01.2.3", "1.2.3+x", "1.2.3\n", "\N{ARABIC-INDIC DIGIT ONE}.2.3"],
)
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(Error, match="no version to release"):
        Version.parse(text)


def test_the_major_tag_is_of_the_newest_version_of_its_major_number() -> None:
    tags = ["v1.9.0", "v1.10.0", "v2.0.0", "v1", "nightly", "1.11.0-rc1"]
    assert versions(tags) == [Version(1, 9, 0), Version(1, 10, 0), Version(2, 0, 0)]
    for text, newest in (
        ("1.9.1", False),
        ("1.10.0", True),
        ("1.10.1", True),
        ("2.0.0", True),
        ("3.0.0", True),
    ):
        assert Version.parse(text).is_newest_of_major(tags) is newest


def test_files_that_are_not_ready_are_all_named_at_once(files: Path) -> None:
    wanted = Version(99, 0, 0)
    with pytest.raises(Error) as raised:
        tree.check(files, wanted)
    assert raised.value.message.splitlines()[1:] == [
        f"- src/flakeship/__init__.py has {VERSION}",
        "- CHANGELOG.md has no `## 99.0.0 - YYYY-MM-DD` with something below it",
        "- CHANGELOG.md has lines below `## Unreleased`, which this release would have without saying so",
    ]
    assert "./dev release prepare 99.0.0" in raised.value.hint


@pytest.mark.slow
def test_a_rendered_file_that_is_out_of_date_is_not_released(files: Path) -> None:
    tree.prepare(files, VERSION, DAY)
    tree.check(files, VERSION)
    (files / "action.yml").write_text("other")
    with pytest.raises(Error, match=r"action.yml is not what `./dev render` writes"):
        tree.check(files, VERSION)


@pytest.mark.slow
def test_preparing_gives_what_is_unreleased_its_version_and_day(files: Path) -> None:
    before = (files / "CHANGELOG.md").read_text()
    (files / "CHANGELOG.md").write_text(before + "\n## 0.9.0 - 2026-01-01\n\n- Old.\n")
    tree.prepare(files, VERSION, DAY)
    tree.prepare(files, VERSION, date(2027, 1, 1))
    assert tree.notes(files, VERSION) == "### Added\n\n- A thing."
    assert f"## {VERSION} - 2026-12-01\n" in (files / "CHANGELOG.md").read_text()
    (files / "CHANGELOG.md").write_text(
        f"# Changelog\n\n## Unreleased\n\n## {VERSION} - 2026-12-01\n\n- A thing.\n"
    )
    tree.check(files, VERSION)


def test_there_is_nothing_to_prepare_without_a_change(files: Path) -> None:
    (files / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n")
    with pytest.raises(Error, match="nothing to release"):
        tree.prepare(files, VERSION, DAY)
