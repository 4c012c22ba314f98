"""Derivations are asked for many at once, and one that can't be shown costs itself alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from flakeship.errors import BuildError
from flakeship.nix.command import Nix
from flakeship.nix.derivation_files import derivation_files


class Shows:
    """Stands for Nix, which can't be made to hold a derivation that is not valid: it refuses any question about one of `spoilt`."""

    def __init__(self, version: tuple[int, int], spoilt: set[str]) -> None:
        self.version, self.spoilt = version, spoilt
        self.asked: list[tuple[str, int]] = []

    def query(self, verb: str, _: str, *paths: str) -> Any:
        self.asked.append((verb, len(paths)))
        if self.spoilt & {*paths}:
            raise BuildError("path is not valid", hint="x")
        return {
            path: {"outputs": {"out": {"path": "x"}}, "inputDrvs": {}, "env": {"name": "x"}} for path in paths
        }


@pytest.mark.parametrize(("version", "verb"), [((2, 8), "show-derivation"), ((2, 34), "derivation show")])
def test_derivations_are_asked_for_in_batches(version: tuple[int, int], verb: str, tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{number:03}.drv") for number in range(450)]
    for path in paths[:-1]:  # the last is gone
        Path(path).touch()
    nix = Shows(version, set())
    found = derivation_files(cast("Nix", nix), [*paths, str(tmp_path), "unknown-deriver"])
    assert len(found) == 449
    assert nix.asked == [(verb, 200), (verb, 200), (verb, 49)]


def test_one_that_nix_does_not_show_costs_itself_alone(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{number:03}.drv") for number in range(200)]
    for path in paths:
        Path(path).touch()
    nix = Shows((2, 34), {paths[77]})
    found = derivation_files(cast("Nix", nix), paths)
    assert len(found) == 199
    assert len(nix.asked) < 20
