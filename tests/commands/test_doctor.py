"""What `doctor` prints, where something failed too."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from flakeship.commands import doctor
from flakeship.commands.run import Run
from flakeship.errors import RejectedError
from flakeship.report.findings import Finding
from flakeship.settings.declaration import Settings
from tests.runtimes import runtime


@pytest.mark.parametrize("state", ["ok", "warning", "error"])
def test_the_table_is_on_stdout_whatever_was_found(
    state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(_settings: Settings, _run: Run) -> Iterator[Finding]:
        yield Finding("disk", state, "text", "do this")  # type: ignore[arg-type]

    # what is missing for two checks is told once, with inputs as they were written
    monkeypatch.setattr(doctor, "_CHECKS", (check, check))
    machine, _ = runtime(tmp_path)
    assert isinstance(machine.stdout, io.BytesIO)
    if state == "error":
        with pytest.raises(RejectedError, match="1 check failed"):
            doctor.run(Settings(), machine)
        assert "disk" in machine.stdout.getvalue().decode()
    else:
        assert "disk" in doctor.run(Settings(), machine)
        assert not machine.stdout.getvalue()
