"""docs/compatibility.md, its rows and the tests hold together: a row whose test is gone turns red, and so does a kind without a row."""

from __future__ import annotations

import platform

import pytest

from flakeship.caches import CACHES
from flakeship.ci.platforms import PLATFORMS
from flakeship.destinations import DESTINATIONS
from flakeship.sources import SOURCES
from tests.compatibility.page import NOT_RECORDED, PAGE, modules_shown, source_of, written
from tests.compatibility.programs import PROGRAMS, VERSIONS, kept, known_versions, versions
from tests.compatibility.row import Row
from tests.compatibility.rows import SECTIONS
from tests.faults.promises import known_figures
from tests.named import missing

ROWS = [row for rows in SECTIONS.values() for row in rows]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what[:40])
def test_each_row_has_tests_that_exist(row: Row) -> None:
    assert not missing(row.tests)
    measured = {name for each in known_figures().values() for name in each["figures"]}
    assert set(row.figures) <= measured
    assert row.tests or row.figures
    assert row.programs or row.recorded or row.imitated or row.figures, "it says how its tests show it"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what[:40])
def test_a_program_that_a_row_names_is_run_by_its_tests(row: Row) -> None:
    texts = "".join(map(source_of, row.tests))
    assert [name for name in row.programs if not any(word in texts for word in PROGRAMS[name].seen)] == []


def test_a_test_that_is_gone_is_told() -> None:
    there = "compatibility/test_compatibility.py::test_a_test_that_is_gone_is_told"
    gone = [f"{there}_not", "compatibility/test_nothing.py::test_a", "named.py::missing"]
    assert missing([there, *gone]) == gone


def test_every_kind_of_ours_has_a_row() -> None:
    ours = {*SOURCES, *DESTINATIONS, *PLATFORMS, *CACHES}
    assert modules_shown() == ours


def test_every_program_is_that_of_a_row() -> None:
    named = {name for row in ROWS for name in row.programs}
    assert named == set(PROGRAMS)


def test_the_page_is_what_is_rendered() -> None:
    assert PAGE.read_text() == written(PAGE.read_text(), known_versions()), "./dev compatibility --render"


def test_versions_are_kept_as_they_are_written() -> None:
    told = known_versions()
    assert VERSIONS.read_text() == kept(told)
    assert set(told) <= set(PROGRAMS)


def test_a_version_that_is_not_recorded_says_so() -> None:
    told = {"Nix": {"version": "2.99", "date": "2026-01-02", "system": "a machine"}}
    page = written(PAGE.read_text(), told)
    assert "| Nix | 2.99 | 2026-01-02 | a machine |" in page
    assert f"| podman | {NOT_RECORDED} | " in page
    assert f"| podman ({NOT_RECORDED}) |" in page


def test_what_is_not_here_keeps_its_last_answer() -> None:
    """A machine without an image of the action, and an answer of a program that no row names any more."""
    before = {"version": "2.99", "date": "2026-01-02", "system": "a machine"}
    names = ("Nix in the action's image", "Python")
    kept_ones = dict.fromkeys((*names, "gone"), before)
    told = versions("", kept_ones, {name: PROGRAMS[name] for name in names})
    assert told["Nix in the action's image"] == before
    assert "gone" not in told
    assert told["Python"]["version"] == platform.python_version()
