"""What is to be published, where what was written is something else than it was taken for."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship.commands.run import open_run
from flakeship.commands.subject import subject_of
from flakeship.errors import UsageError
from tests.runtimes import runtime
from tests.settings.making import settings_of


@pytest.mark.parametrize("name", ["image.tar", "./image.tar", "result"])
def test_a_file_in_the_place_of_a_flake(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"x")
    with (
        open_run(settings_of(flake=(name,)), runtime(tmp_path)[0]) as run,
        pytest.raises(UsageError, match=f"flake: '{name}' is a file, and a flake is a folder") as caught,
    ):
        subject_of(settings_of(flake=(name,)), run)
    assert f"`--source {name}`" in caught.value.hint
