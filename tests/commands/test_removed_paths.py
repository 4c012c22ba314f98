"""`sbom`, `diff` and `why` of an image whose upper layer removes a store path by a whiteout."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship.commands.diff.command import run as diff
from flakeship.commands.held_image import held_by, listed
from flakeship.commands.run import open_run
from flakeship.commands.sbom.holding import of_image
from flakeship.commands.why.command import run as why
from flakeship.errors import UsageError
from flakeship.settings.declaration import Settings
from tests.runtimes import runtime
from tests.testbed.store_images import image_folder, paths_of

APP, CURL, ZLIB = paths_of("app-1.0", "curl-8.5.0", "zlib-1.3")
GONE = {
    "one path": (f"/nix/store/.wh.{CURL[11:]}", {APP, ZLIB}),
    "all below": ("/nix/store/.wh..wh..opq", {ZLIB}),
}


@pytest.mark.parametrize("kind", GONE)
def test_a_path_that_is_removed_is_not_in_the_image(kind: str, tmp_path: Path) -> None:
    whiteout, left = GONE[kind]
    image_folder(tmp_path / "old", [APP, CURL], history=False)
    image_folder(tmp_path / "new", [APP, CURL], [whiteout, ZLIB], history=False)
    image_folder(tmp_path / "back", [APP, CURL], [whiteout, ZLIB], [CURL], history=False)
    machine, _ = runtime(tmp_path, {"PATH": "/nowhere"})

    asked = Settings(image="./new")
    with open_run(asked, machine) as run:
        assert set(of_image(asked, run).paths) == left
        (held,) = (listed(each, (), asked, run) for each in held_by(asked, run))
        assert held.paths == left
        assert {path for layer in held.layers for path in layer.paths} == left

    text = diff(Settings(image="./old", newer="./new"), machine)
    removed = {APP, CURL} - left
    assert f"{len(removed)} removed" in text, text
    assert "- curl" in text, "the layer that both have is read too, for the other one removes some of it"
    assert "1 added" in diff(Settings(image="./new", newer="./back"), machine)
    with pytest.raises(UsageError, match="'curl' is not in"):
        why(Settings(image="./new", package="curl"), machine)
    assert CURL in why(Settings(image="./back", package="curl"), machine)
