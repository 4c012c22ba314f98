"""docs/reliability.md names tests that exist, and states what the last run measured."""

from __future__ import annotations

import json

import pytest

from tests.faults.promises import FIGURES, PAGE, PROMISES, Promise, known_figures, written
from tests.named import missing


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.words[:40])
def test_each_promise_has_tests_that_exist(promise: Promise) -> None:
    assert promise.tests
    assert not missing(promise.tests)


def test_the_page_states_the_last_figures() -> None:
    assert PAGE.read_text() == written(PAGE.read_text(), known_figures()), "./dev faults --render writes it"


def test_a_figure_that_was_measured_is_of_a_promise() -> None:
    """And each is written once, so that no measurement hides another's."""
    measured = [name for each in known_figures().values() for name in each["figures"]]
    promised = {name for promise in PROMISES for name in promise.figures}
    assert sorted(set(measured)) == sorted(measured)
    assert set(measured) <= promised


def test_figures_are_kept_as_they_are_written() -> None:
    kept = FIGURES.read_text()
    assert kept == json.dumps(known_figures(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
