"""What is left of the store paths of layers, of which upper ones remove some by whiteouts."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from flakeship.sbom.layer_paths import LayerPaths, NotedPaths, paths_ever, paths_left, visible
from tests.testbed.store_images import store_path

APP, CURL, ZLIB = (store_path(name) for name in ("app-1.0", "curl-8.5.0", "zlib-1.3"))
LOWER = [f"{APP}/bin/app", f"{CURL}/bin/curl"]


def noted(names: Iterable[str], most: int | None = None) -> LayerPaths:
    found = NotedPaths(most)
    for name in names:
        found.note(name.removeprefix("/"))
    return found.noted


@pytest.mark.parametrize(
    ("upper", "left"),
    [
        pytest.param([[f"/nix/store/.wh.{CURL[11:]}"]], {APP}, id="one path"),
        pytest.param([["/nix/store/.wh..wh..opq"]], set(), id="all of the folder"),
        pytest.param([["/nix/.wh.store"]], set(), id="the folder"),
        pytest.param([["/.wh.nix"]], set(), id="the folder above"),
        pytest.param([["/nix/.wh..wh..opq"]], set(), id="all of the folder above"),
        pytest.param([["/.wh..wh..opq"]], set(), id="all"),
        pytest.param([[f"{ZLIB}/lib/z", "/nix/store/.wh..wh..opq"]], {ZLIB}, id="only what lies below"),
        pytest.param(
            [[f"{CURL}/bin/curl", f"/nix/store/.wh.{CURL[11:]}"]], {APP, CURL}, id="replaced in one layer"
        ),
        pytest.param(
            [[f"/nix/store/.wh.{CURL[11:]}"], [f"{CURL}/bin/curl"]], {APP, CURL}, id="there again later"
        ),
        pytest.param([[f"{CURL}/bin/.wh.curl"]], {APP, CURL}, id="a file in a path"),
        pytest.param([[f"{CURL}/.wh..wh..opq"]], {APP, CURL}, id="the files of a path"),
        pytest.param([[f"{ZLIB}/.wh.lib"]], {APP, CURL}, id="a file of a path that is not there"),
        pytest.param([[f"/nix/store/.wh.{CURL[11:]}%"]], {APP, CURL}, id="no store path"),
        pytest.param([[f"/var/.wh.{CURL[11:]}", "/var/.wh..wh..opq"]], {APP, CURL}, id="in another folder"),
    ],
)
def test_what_an_upper_layer_removes_is_not_there(upper: list[list[str]], left: set[str]) -> None:
    layers = [noted(names) for names in (LOWER, *upper)]
    assert paths_left(layers) == left
    assert paths_ever(layers) >= {APP, CURL}
    assert frozenset[str]().union(*visible(layers)) == left
    assert paths_left([*layers[1:], layers[0]]) >= {APP, CURL}, "no layer removes what lies above it"


def test_no_layer_fills_the_memory() -> None:
    found = noted(
        [*LOWER, *(f"/nix/store/.wh.{store_path(str(number))[11:]}" for number in range(9))], most=1
    )
    assert (len(found.added), len(found.removed)) == (1, 1)
