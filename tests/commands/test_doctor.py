"""What `doctor` prints, where something failed too, and what it finds wrong with clock, disk and programs."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from flakeship.commands import doctor
from flakeship.commands.publish.disk_space import LEAST
from flakeship.commands.run import Run
from flakeship.errors import RejectedError
from flakeship.report.findings import Finding
from flakeship.settings.declaration import Settings
from tests.commands.publish.test_disk_space import mounted
from tests.http.scripted import answer, scripted
from tests.metadata.events import NOW
from tests.runtimes import runtime
from tests.settings.making import settings_of

SOURCE: dict[str, Any] = {"source": "image.tar"}


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


def findings(
    folder: Path, environ: Mapping[str, str] | None = None, *, temporary: Path | None = None, **inputs: Any
) -> dict[str, tuple[str, str, str]]:
    """State, text and hint of everything that was looked at; of two with one name the worst."""
    machine, _ = runtime(folder, environ)
    made = doctor.run(settings_of(json=True, **inputs), replace(machine, temporary=temporary))
    order = ["ok", "warning", "error"]
    listed = sorted(json.loads(made), key=lambda each: order.index(each["state"]))
    return {each["what"]: (each["state"], each["text"], each.get("hint", "")) for each in listed}


# A registry that states another time: this machine's clock is left alone.
@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "this machine's clock agrees with that of "),
        (-59, "this machine's clock agrees with that of "),
        (-3600, "this machine's clock is 3600 s ahead of that of "),
        (61, "this machine's clock is 61 s behind that of "),
    ],
)
def test_a_clock_that_is_wrong_is_told_by_that_of_the_registry(
    seconds: int, told: str, tmp_path: Path
) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    with scripted(answer(200, {"Date": date})) as registry:
        state, text, hint = findings(tmp_path, tags=[f"{registry.host}/a:1"], **SOURCE)["clock"]
    assert text == told + registry.host
    assert (state, hint.partition(",")[0]) == (
        ("ok", "") if "agrees" in told else ("warning", "set the clock")
    )


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_a_registry_that_tells_no_time_tells_nothing_of_the_clock(date: str, tmp_path: Path) -> None:
    with scripted(answer(200, {"Date": date})) as registry:
        assert "clock" not in findings(tmp_path, tags=[f"{registry.host}/a:1"], **SOURCE)


@pytest.mark.parametrize(
    ("size", "state", "hint"),
    [
        (LEAST // 2, "error", "free some space, or set TMPDIR to a folder on a larger disk"),
        (4 * LEAST, "warning", "set TMPDIR to a folder on a larger disk, which a large image needs"),
        (20 * LEAST, "ok", ""),
    ],
)
def test_a_disk_that_is_nearly_full(size: int, state: str, hint: str, tmp_path: Path) -> None:
    mounting = mounted(tmp_path / "small", size)
    small = next(mounting)
    try:
        found = findings(tmp_path, temporary=small, **SOURCE)["disk"]
    finally:
        next(mounting, None)
    assert (found[0], found[2]) == (state, hint)
    assert f"are free in {small}, where layers are packed" in found[1]


def test_a_store_that_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounting = mounted(tmp_path / "store", LEAST // 2)
    monkeypatch.setattr(doctor, "STORE", f"{next(mounting)}/")
    try:
        state, text, hint = findings(tmp_path, {"PATH": "/nowhere"}, flake=[".#image"])["disk"]
        assert "disk" not in {
            name for name, found in findings(tmp_path, **SOURCE).items() if found[0] != "ok"
        }
    finally:
        next(mounting, None)
    assert (state, hint.partition(",")[0]) == ("error", "run `nix-collect-garbage`")
    assert text == f"34 MB are free in {tmp_path}/store, where Nix keeps what it builds"


@pytest.mark.parametrize(
    ("says", "told", "hint"),
    [
        ("echo 'nix (Nix) 2.3.16'", "Nix 2.3 is too old: flakes need 2.8 or newer", "run `nix upgrade-nix`"),
        ("echo 'nix version 3'", "`nix --version` answers 'nix version 3', which is not a version of Nix", "install Nix"),
        ("echo 'error: unknown setting x' >&2; exit 1", "Nix does not run: `nix --version` fails with exit code 1: error: unknown setting x", "correct nix.conf"),
        ("", "Nix is not installed: no `nix` is in PATH or in its usual places", "install Nix"),
    ],
)  # fmt: skip
def test_a_nix_that_is_old_or_none_is_told_once(
    says: str, told: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in in place of Nix, and no other: `nix` is looked for in its usual places too."""
    monkeypatch.setattr("flakeship.nix.command._PROFILES", ())
    programs = tmp_path / "bin"
    programs.mkdir()
    if says:
        (programs / "nix").write_text(f"#!/bin/sh\n{says}\n")
        (programs / "nix").chmod(0o755)
    found = findings(tmp_path, {"PATH": str(programs)}, flake=[".#image"])
    state, text, advice = found["nix"]
    assert (state, text) == ("error", told)
    assert advice.startswith(hint)
    assert "flake" not in found, "what needs Nix as well has no second line"


@pytest.mark.parametrize("there", [True, False])
def test_a_machine_without_git(there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "/bin/git" if there else None)
    state, text, hint = findings(tmp_path, **SOURCE)["git"]
    assert (state, text) == (("ok", "git is in PATH") if there else ("warning", "there is no git in PATH"))
    assert bool(hint) != there
