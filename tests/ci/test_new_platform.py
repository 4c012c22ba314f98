"""A new platform is one module and one line: it is used for all that a platform is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship import cli
from flakeship.ci import platforms
from flakeship.ci.protocol import Platform
from tests.ci import toy

CHECKED: Platform = toy


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(platforms, "PLATFORMS", ("tests.ci.toy", *platforms.PLATFORMS))
    for name in ("TOY", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("TOY_TOKEN", "hunter2")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_publish_uses_all_of_a_new_platform(
    folder: Path, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Credentials are chosen for the repository, though nothing is sent there; the layout gets the image."""
    inputs = ["--source", str(archive), "--images", "toy.example/app", "--tags", "type=ref,event=branch"]
    assert cli.main(["publish", *inputs, "--to", "oci:layout:1", "--push", "false"]) == 0
    printed, log = capsys.readouterr()
    reference, digest = (folder / "outputs").read_text().split()
    assert (folder / "layout" / "blobs" / digest.replace(":", "/")).is_file()
    assert reference == f"oci:{folder}/layout:1"
    assert printed == f"<toy prints>toy.example/app@{digest}\n{reference}\n"
    assert "<toy publish>\n" in log
    assert "credentials for toy.example/app: the token of the toy\n" in log
    assert "<toy masks 2>\n" in log, "the token, and what it becomes in a header"
    assert "hunter2" not in log + printed
    assert digest[7:] in (folder / "page").read_text()


def test_a_failure_is_reported_by_a_new_platform(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["publish", "--source", "no-such-file", "--to", "oci:layout"]) == 2
    assert "<toy failed: " in capsys.readouterr().err
    assert (folder / "page").read_text().startswith("### ❌")
    assert platforms.refusal_hint("toy.example") == "ask for a better toy"
