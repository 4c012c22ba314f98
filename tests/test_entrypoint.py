"""What the image of the action does without the name of a command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # they start programs

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("given", "publishes"),
    [
        ({}, False),
        ({"FLAKESHIP_USERNAME": "mona", "FLAKESHIP_PASSWORD": "x"}, False),
        ({"FLAKESHIP_FLAKE": ".#image"}, True),
        ({"INPUT_NIX-CONFIG": ""}, True),
        ({"CI": "true"}, True),
    ],
)
def test_it_publishes_where_something_is_asked_for(
    given: dict[str, str], publishes: bool, tmp_path: Path
) -> None:
    """A step of CI may have no input at all; somebody who tries `docker run IMAGE` wants to see what it is."""
    bare = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-I", ROOT / "entrypoint"],
        env=bare | given,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.startswith("flakeship ")) == (
        (2, False) if publishes else (0, True)
    ), done.stderr
    assert not list(tmp_path.iterdir())
