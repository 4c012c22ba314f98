"""A registry that gitlab-ci-local makes up is told from one that is down: by what a user of gitlab-ci-local can do."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from flakeship import cli


@pytest.fixture
def archive_at_home(archive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An image, in a job of gitlab-ci-local where no name has an address, and no name server is asked."""

    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    at_home = {"GITLAB_CI": "false", "CI": "true", "CI_JOB_ID": "1000", "CI_COMMIT_REF_NAME": "main"}
    at_home["CI_REGISTRY_IMAGE"] = "local-registry.gitlab.com/o/app"
    for name, value in at_home.items():
        monkeypatch.setenv(name, value)
    return archive


@pytest.mark.parametrize(
    ("inputs", "explained"),
    [
        ([], True),
        (["--tags", "type=raw,value=x"], True),
        (["--to", "docker://local-registry.git.example.com:5000/o/app:1"], True),
        (["--images", "registry.gitlab.com/o/app"], False),
        (["--to", "docker://ghcr.io/o/app:1"], False),
    ],
)
def test_a_push_to_it_says_how_to_name_another(
    inputs: list[str],
    explained: bool,
    archive_at_home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["publish", "--source", str(archive_at_home), *inputs]) == 6
    log = capsys.readouterr().err
    assert "error: there is no host " in log
    assert ("`--variable CI_REGISTRY=HOST:PORT`" in log) is explained
    assert ("this machine's DNS" in log) is not explained


def test_without_any_name_for_the_image_it_says_how_to_give_one(
    archive_at_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI_REGISTRY_IMAGE", "")
    assert cli.main(["publish", "--source", str(archive_at_home)]) == 0
    told = capsys.readouterr().err
    assert "nothing is pushed: CI_REGISTRY_IMAGE is not set" in told
    assert (
        "name the image with `--images`, or give gitlab-ci-local `--variable CI_REGISTRY_IMAGE=HOST/NAME`"
        in told
    )
    monkeypatch.setenv("GITLAB_CI", "true")
    assert cli.main(["publish", "--source", str(archive_at_home)]) == 0
    assert "gitlab-ci-local" not in capsys.readouterr().err


def test_doctor_says_so_too(archive_at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["doctor", "--source", str(archive_at_home)])
    told = "".join(capsys.readouterr())
    assert "there is no host local-registry.gitlab.com" in told
    assert "`--variable CI_REGISTRY=HOST:PORT`" in told
