"""A quick run of each fuzz target, always with the same inputs, and what the fuzzer itself must see."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from tests.faults.fuzzing.__main__ import fuzzed
from tests.faults.fuzzing.engine import fuzz, input_of
from tests.faults.fuzzing.targets import TARGETS, Target
from tests.faults.known import verdict


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_odd_input_ends_in_an_error_of_ours(target: Target, tmp_path: Path) -> None:
    found = fuzz(target, range(20), tmp_path)
    assert (list(found.crashes.values()), found.hangs) == ([], [])
    assert found.inputs == 20
    assert len({input_of(target, number) for number in range(20)}) > 5


def test_there_are_few_targets() -> None:
    assert len(TARGETS) <= 12


def _odd(data: bytes) -> None:
    """Crashes at a letter and hangs at another."""
    if b"c" in data:
        raise KeyError(data)
    while b"h" in data:
        pass


@pytest.mark.slow
def test_a_crash_and_a_hang_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.fuzzing.engine.LONGEST", 0.1)
    letters = itertools.cycle([b"a", b"c", b"h", b"b"])
    target = Target("odd", lambda chance: next(letters), lambda folder: _Reads())
    found = fuzz(target, range(8), tmp_path)
    assert (list(found.crashes), found.hangs, found.inputs) == ([1, 5], [2, 6], 8)


class _Reads:
    def __enter__(self) -> object:
        return _odd

    def __exit__(self, *_: object) -> None: ...


def test_json_that_is_nested_without_end_in_nixs_log(tmp_path: Path) -> None:
    """As the fuzzer found it."""
    target = next(target for target in TARGETS if target.name == "nix-log")
    with target.opened(tmp_path) as read:
        try:
            read(b"@nix " + b"[" * 100_000)
        except RecursionError as error:
            problems = [str(error)]
        else:
            problems = []
    assert not verdict("JSON that is nested without end in Nix's log", problems)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_minute_of_each(target: Target) -> None:
    found = fuzzed(target.name, 60)
    assert not verdict(
        f"a minute of {target.name}", [] if found.is_right else [json.dumps(found.crashes), str(found)]
    )
