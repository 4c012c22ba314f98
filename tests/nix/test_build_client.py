"""Builds run by a cache's client: whatever the client does, it does not fail the build."""

from __future__ import annotations

import dataclasses
import shutil
import time
from pathlib import Path

import pytest

from flakeship.nix.command import Nix
from tests.nix.builds import built, failed, logged, warned
from tests.testbed.nix import MakeFlake

pytestmark = pytest.mark.slow


def script(folder: Path, name: str, text: str) -> tuple[str, ...]:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return (str(path),)


def test_the_client_runs_nix(nix: Nix, make_flake: MakeFlake, tmp_path: Path) -> None:
    watch = script(tmp_path, "watch", f'echo "$SECRET" > {tmp_path}/seen; exec "$@"')
    output, events = built(nix, make_flake(), ".#text", watch=watch, extra_environ={"SECRET": "s"})
    assert output.out_path.endswith("-notes.txt")
    assert (tmp_path / "seen").read_text() == "s\n"
    assert not warned(events)


def test_a_client_that_never_starts_nix_does_not_fail_the_build(
    nix: Nix, make_flake: MakeFlake, tmp_path: Path
) -> None:
    watch = script(tmp_path, "watch", 'echo "bad token" >&2; exit 7')
    output, events = built(nix, make_flake(), ".#text", watch=watch)
    assert output.out_path.endswith("-notes.txt")
    (warning,) = warned(events)
    assert "ended with exit code 7 before it started Nix" in warning.text
    assert "nothing is pushed" in warning.hint
    assert "bad token" in logged(events)


def test_a_missing_client_does_not_fail_the_build(nix: Nix, make_flake: MakeFlake) -> None:
    output, events = built(nix, make_flake(), ".#text", watch=("/no/such/client",))
    assert output.out_path.endswith("-notes.txt")
    (warning,) = warned(events)
    assert "can't start /no/such/client" in warning.text


def test_a_client_that_fails_after_the_build_is_a_warning(
    nix: Nix, make_flake: MakeFlake, tmp_path: Path
) -> None:
    watch = script(tmp_path, "watch", '"$@"; echo "upload failed" >&2; exit 1')
    output, events = built(nix, make_flake(), ".#text", watch=watch)
    assert output.out_path.endswith("-notes.txt")
    (warning,) = warned(events)
    assert "ended with exit code 1, so the cache may lack some of the outputs" in warning.text


def test_a_client_that_hangs_after_the_build_is_ended(
    nix: Nix, make_flake: MakeFlake, tmp_path: Path
) -> None:
    watch = script(tmp_path, "watch", '"$@"; echo uploading >&2; sleep 60')
    started = time.monotonic()
    output, events = built(nix, make_flake(), ".#text", watch=watch, patience=0.5)
    assert time.monotonic() - started < 10
    assert output.out_path.endswith("-notes.txt")
    assert warned(events)


def test_a_client_does_not_hide_a_failing_build(nix: Nix, make_flake: MakeFlake, tmp_path: Path) -> None:
    watch = script(tmp_path, "watch", '"$@"')
    assert "its builder exited with code 3" in failed(nix, make_flake(), ".#fails", watch=watch).message


def test_nix_that_disappears_before_the_build_is_an_error(
    nix: Nix, make_flake: MakeFlake, tmp_path: Path
) -> None:
    gone = dataclasses.replace(nix, environ={**nix.environ, "PATH": str(tmp_path)})
    assert shutil.which("nix", path=str(tmp_path)) is None
    assert "can't start nix" in failed(gone, make_flake(), ".#text").message
