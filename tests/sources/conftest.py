"""A plain package as Nix would have made it."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship.sources.package import Package
from tests.sources.packages import Part, program


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """One program, one dependency."""
    program(tmp_path / "app/bin/app")
    (tmp_path / "lib").mkdir()
    lib, app = Part(str(tmp_path / "lib")), str(tmp_path / "app")
    return Package(path=app, system="x86_64-linux", closure=(Part(app, references=(lib.path,)), lib))
