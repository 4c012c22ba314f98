"""A secret that was written in the wrong place is shown nowhere: not in the log, the error, the summary or a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from flakeship import cli
from flakeship.settings.declaration import inputs
from flakeship.settings.fields import Input

SECRET = "hunter2-CaNaRy-0123456789"
KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n{SECRET}AAAA\n-----END OPENSSH PRIVATE KEY-----\n"
PLATFORMS: Mapping[str, Mapping[str, str]] = {
    "local": {},
    "gitlab": {"GITLAB_CI": "true", "CI": "true", "SHIPPED_FOLDER": "shipped"},
    "github": {
        "GITHUB_ACTIONS": "true",
        "CI": "true",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_STEP_SUMMARY": "page.md",
    },
}


@pytest.fixture
def shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Everything that a run with bad inputs writes, without the commands that make a runner mask a secret."""

    def run(argv: list[str], environ: Mapping[str, str]) -> str:
        monkeypatch.chdir(tmp_path)
        for name, value in {"FLAKESHIP_LOG_LEVEL": "debug", **environ}.items():
            monkeypatch.setenv(name, value)
        assert cli.main(argv) in {2, 4}
        out, err = capfd.readouterr()
        lines = [line for line in (out + err).splitlines() if not line.startswith("::add-mask::")]
        files = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
        return "\n".join([*lines, *files])

    return run


PASSWORD = "FLAKESHIP_PASSWORD"
VALUES = {"word": SECRET, "slash": f"/{SECRET}", "key": KEY, "long": KEY * 200}


@pytest.mark.parametrize(
    ("platform", "name", "value"),
    [
        *(pytest.param("gitlab", item.variable, KEY, id=item.name) for item in inputs() if item.secret),
        *(pytest.param(place, PASSWORD, VALUES["key"], id=place) for place in ("local", "github")),
        *(pytest.param("gitlab", PASSWORD, value, id=kind) for kind, value in VALUES.items()),
    ],
)
def test_a_secret_in_place_of_its_file(
    platform: str, name: str, value: str, shown: Callable[..., str]
) -> None:
    environ = {**PLATFORMS[platform], f"{name}_FILE": value}
    text = shown(["publish", "--to", "oci:out"], environ)
    assert f"{name}_FILE names no file" in text
    assert "hunter2" not in text


@pytest.mark.parametrize("item", [item for item in inputs() if item.secret], ids=lambda item: item.name)
def test_a_file_of_gitlab_in_place_of_its_secret(
    item: Input, tmp_path: Path, shown: Callable[..., str]
) -> None:
    """A variable of type File has the name of the file as its value: it would be sent to the registry as the password."""
    file = tmp_path / item.variable
    file.touch()
    text = shown(["publish", "--to", "oci:out"], {**PLATFORMS["gitlab"], item.variable: str(file)})
    assert f"{item.variable} is the name of a file, and not the {item.name}" in text
    assert f"name that variable {item.variable}_FILE" in text


TOKEN = f"glpat-{SECRET}"
SLIPS = {
    "images": f"me:{SECRET}@registry.example/me/app",
    "tags": f"https://me:{SECRET}@registry.example/me/app:1",
    "to": f"docker://me:{SECRET}@registry.example/app:1",
    "registry": f"https://me:{SECRET}@registry.example",
    "plain-http": f"http://me:{SECRET}@registry.example",
    "store": f"ssh-ng://me:{SECRET}@far.example/x",
    "labels": TOKEN,
    "push": TOKEN,
    "ca": KEY,
    "env": KEY,
}


@pytest.mark.parametrize("name", SLIPS)
def test_a_secret_in_an_input_that_is_none(name: str, tmp_path: Path, shown: Callable[..., str]) -> None:
    (tmp_path / "image.tar").touch()
    variable = f"FLAKESHIP_{name.upper().replace('-', '_')}"
    environ = {**PLATFORMS["gitlab"], variable: SLIPS[name]}
    text = shown(["publish", "--source", "image.tar"], environ)
    assert "hunter2" not in text


def test_an_input_that_fails_beside_a_password_that_it_quotes(shown: Callable[..., str]) -> None:
    environ = {"FLAKESHIP_PASSWORD": SECRET, "FLAKESHIP_PUSH": SECRET}
    text = shown(["publish"], environ)
    assert "push is '***'" in text


@pytest.mark.parametrize(
    ("argv", "hidden"),
    [
        (["--password-file", "image.tar"], set()),
        (["--password-file", SECRET], {SECRET}),
        ([f"--password-file={SECRET}"], {SECRET}),
        (["--tags", "ghcr.io/me/app:main@sha256:" + "0" * 64], set()),
        (["--builders", "ssh-ng://root@far.example"], set()),
        (["--annotations", "index:org.opencontainers.image.authors=me@far.example"], set()),
        (["--flake", f"git+https://me:{SECRET}@git.example/app"], {SECRET}),
    ],
)
def test_what_is_taken_for_a_secret(
    argv: list[str], hidden: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flakeship.settings.variables import likely_secrets

    monkeypatch.chdir(tmp_path)
    Path("image.tar").touch()
    assert set(likely_secrets(argv, {}, inputs())) == hidden
