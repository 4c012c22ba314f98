"""Runs that are sent signals: started, waited for, and looked at for what they leave behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from tests.testbed.patient import patient

Running: TypeAlias = "subprocess.Popen[str]"
Start: TypeAlias = Callable[..., Running]

THREE: Final = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
"""Signals of which none is lost: two of the same number that come before a busy process looks are one."""

LAST_OF_THREE: Final = {128 + number for number in THREE}
"""How a process ends by the last of them: the kernel may hand each to another thread, so any may be heard last."""


@pytest.fixture
def start(nix_environ: Mapping[str, str], tmp_path: Path) -> Iterator[Start]:
    """Start `flakeship publish` in a session of its own; every process with its TMPDIR must be gone in the end."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    started: list[Running] = []

    def run(*flags: str, cwd: Path = tmp_path, grace: float | None = None, **environ: str) -> Running:
        program = (sys.executable, "-m", "flakeship") if grace is None else patient(grace)
        process = subprocess.Popen(
            [*program, "publish", *flags],
            cwd=cwd,
            env={**nix_environ, "TMPDIR": str(temporary), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()
    assert not list(temporary.iterdir()), list(temporary.rglob("*"))
    patience = time.monotonic() + 60  # what was killed takes a moment to be gone
    while (alive := still_there(temporary)) and time.monotonic() < patience:
        time.sleep(0.05)
    assert not alive


def still_there(temporary: Path) -> list[str]:
    """The command lines of processes whose TMPDIR this is."""
    found, mark = [], str(temporary).encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


def ended(process: Running, *signals: int) -> tuple[int, str, float]:
    """Exit code, what it said after the signals, and the seconds that it took."""
    begun = time.monotonic()
    for number in signals:
        process.send_signal(number)
        time.sleep(0.05)
    out, said = process.communicate(timeout=120)
    assert not out
    assert "Traceback" not in said, said
    return process.returncode, said, time.monotonic() - begun


def wait_for(process: Running, words: str) -> None:
    assert process.stderr
    for line in process.stderr:
        if words in line:
            return
    pytest.fail(f"it ended without saying {words!r}")


def entries(layout: Path) -> list[str]:
    """The names of a layout's images; none where there is no layout."""
    if not (layout / "index.json").exists():
        return []
    listed = json.loads((layout / "index.json").read_bytes())["manifests"]
    return sorted(entry["annotations"]["org.opencontainers.image.ref.name"] for entry in listed)
