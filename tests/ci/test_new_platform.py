"""A new platform is one module and one line: it is used for all that a platform is asked for."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from flakeship import cli
from flakeship.ci import platforms
from flakeship.ci.protocol import Platform
from tests.ci import toy
from tests.testbed.served import EveryMethod, served

CHECKED: Platform = toy


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(platforms, "PLATFORMS", ("tests.ci.toy", *platforms.PLATFORMS))
    for name in ("TOY", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("TOY_TOKEN", "hunter2")
    monkeypatch.setenv("TOY_REGISTRY", "toy.example")
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
    assert printed == f"<toy prints>{reference}\n"
    assert "<toy publish>\n" in log
    assert "credentials for toy.example/app: the token of the toy\n" in log
    assert "<toy masks 2>\n" in log, "the token, and what it becomes in a header"
    assert "hunter2" not in log + printed
    assert digest[7:] in (folder / "page").read_text()


class Refusing(ThreadingHTTPServer):
    """A registry that asks everybody for a password, and then refuses it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.logins: set[str] = set()


class Handler(EveryMethod):
    server: Refusing

    def serve(self) -> None:
        login = self.headers.get("Authorization", "")
        self.server.logins.add(login)
        self.send_response(403 if login else 401)
        self.send_header("WWW-Authenticate", 'Basic realm="toy"')
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def refusing() -> Iterator[Refusing]:
    server = Refusing()
    with served(server):
        yield server


def test_a_refused_push_is_reported_by_a_new_platform(
    folder: Path,
    archive: Path,
    refusing: Refusing,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its credentials are sent to its own registry, and its hint is given with the refusal."""
    host = f"127.0.0.1:{refusing.server_port}"
    monkeypatch.setenv("TOY_REGISTRY", host)
    assert cli.main(["publish", "--source", str(archive), "--tags", f"{host}/app:1"]) == 5
    assert refusing.logins == {"", f"Basic {base64.b64encode(b'job:hunter2').decode()}"}
    log = capsys.readouterr().err
    assert "<toy failed: " in log
    assert "; ask for a better toy>" in log
    assert (folder / "page").read_text().startswith("### ❌")
