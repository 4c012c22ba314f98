"""The event as inputs ask to see it: git's own view of a platform's run, and GitHub's API where it is asked for."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from flakeship.commands import event as detection
from flakeship.commands.run import open_run
from flakeship.commands.runtime import Runtime
from flakeship.errors import UsageError
from flakeship.events import Notice
from flakeship.metadata.context import Context
from flakeship.settings.declaration import Settings
from tests.metadata import events
from tests.runtimes import runtime
from tests.testbed.served import EveryMethod, served

TOKEN = "hunter2-canary"
ASKING = Settings(github_api=True, github_token=TOKEN)
PROJECT = {
    "name": "app",
    "html_url": "https://github.com/octo/app",
    "description": "From the API",
    "license": {"spdx_id": "ISC"},
    "default_branch": "trunk",
}
COMMIT = {"commit": {"committer": {"date": "2019-03-04T05:06:07Z"}}}


def context_of(settings: Settings, machine: Runtime) -> Context:
    with open_run(settings, machine) as run:
        return run.event


def test_git_obeys_nothing_that_is_committed(
    git: Callable[..., str], nix_environ: Mapping[str, str], tmp_path: Path
) -> None:
    """A folder that looks like a bare repository names programs; a working tree may lie in it."""
    git(tmp_path, "init", "-q")
    trap, marker = tmp_path / "trap", tmp_path / "obeyed"
    for name in ("objects", "refs"):
        (trap / name).mkdir(parents=True)
    (trap / "HEAD").write_text("ref: refs/heads/main\n")
    (trap / "config").write_text(
        "[core]\nrepositoryformatversion=0\nbare=false\nworktree=.\n"
        f'fsmonitor="touch {marker}; false"\n[filter "x"]\nclean="touch {marker}"\n'
    )
    for platform in ({}, {"GITHUB_ACTIONS": "true", "GITHUB_SHA": "a" * 40}):
        machine, _ = runtime(trap, {**nix_environ, **platform})
        context_of(Settings(context="git"), machine)
        assert not marker.exists()


class Api(ThreadingHTTPServer):
    """Answers by path; anything else is 404. `asked` are the paths, and the credentials that came with them."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.silent = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(EveryMethod):
    server: Api

    def serve(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization", "")))
        if self.path.endswith("/silent"):
            self.server.silent.wait(60)
            return
        answer = self.server.answers.get(self.path)
        self.send_response(200 if answer is not None else 404)
        self.send_header("Content-Length", str(len(answer or b"")))
        self.end_headers()
        self.wfile.write(answer or b"")


@pytest.fixture
def api() -> Iterator[Api]:
    server = Api()
    with served(server):
        yield server
        server.silent.set()


@pytest.fixture
def environ(tmp_path: Path, api: Api) -> dict[str, str]:
    """A push whose payload says nothing of the project."""
    made = events.github("branch trunk", tmp_path)
    Path(made["GITHUB_EVENT_PATH"]).write_text("{}")
    return made | {"GITHUB_API_URL": api.url, "PATH": ""}


def test_the_api_tells_what_the_event_does_not(tmp_path: Path, environ: dict[str, str], api: Api) -> None:
    api.answers = {
        "/repos/octo/app": json.dumps(PROJECT).encode(),
        f"/repos/octo/app/commits/{events.SHA}": json.dumps(COMMIT).encode(),
    }
    made, told = runtime(tmp_path, environ)
    found = context_of(ASKING, made)
    assert (found.repository.description, found.repository.license) == ("From the API", "ISC")
    assert found.is_default_branch
    assert found.commit_date.isoformat() == "2019-03-04T05:06:07+00:00"
    assert dict(api.asked) == dict.fromkeys(api.answers, f"Bearer {TOKEN}")
    assert not told


def test_nothing_is_asked_unless_it_is_wanted(tmp_path: Path, environ: dict[str, str], api: Api) -> None:
    context_of(Settings(github_token=TOKEN), runtime(tmp_path, environ)[0])
    gitlab = events.gitlab("branch main")
    assert gitlab is not None
    context_of(Settings(github_api=True), runtime(tmp_path, gitlab | {"GITHUB_API_URL": api.url})[0])
    assert not api.asked


@pytest.mark.parametrize(
    "case",
    [
        ("", None, "it answers 404"),
        ("", b"<html>", "it is not JSON"),
        ("", b"[]", "404"),
        ("/silent", None, "stopped answering"),
    ],
)
def test_an_api_that_fails_is_a_notice(
    tmp_path: Path,
    environ: dict[str, str],
    api: Api,
    mocker: MockerFixture,
    case: tuple[str, bytes | None, str],
) -> None:
    path, answer, words = case
    mocker.patch.object(detection, "_SECONDS", 0.2 if path == "/silent" else 60.0)
    environ["GITHUB_REPOSITORY"] += path
    if answer is not None:
        api.answers[f"/repos/octo/app{path}"] = answer
    made, told = runtime(tmp_path, environ)
    found = context_of(ASKING, replace(made, clock=time.monotonic))
    assert found.repository.description == ""
    notices = [event.text for event in told if isinstance(event, Notice)]
    assert f"repos/octo/app{path}" in notices[0]
    assert words in notices[0]
    assert TOKEN not in repr(told)


def test_a_token_goes_nowhere_without_tls(tmp_path: Path, environ: dict[str, str]) -> None:
    made, told = runtime(tmp_path, environ | {"GITHUB_API_URL": "http://ghe.example/api/v3"})
    context_of(ASKING, made)
    assert "http://ghe.example would get the token without TLS" in repr(told)


def test_asking_needs_a_token(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="`github-api` is on, but there is no token") as caught:
        context_of(Settings(github_api=True), runtime(tmp_path, environ)[0])
    assert "github-token" in caught.value.hint


@pytest.mark.slow
def test_git_tells_of_what_is_checked_out(
    tmp_path: Path,
    nix_environ: Mapping[str, str],
    git: Callable[..., str],
) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "next")
    git(folder, "commit", "-q", "--allow-empty", "-m", "one")
    environ = {**nix_environ, **events.github("tag v1.2.3", tmp_path)}
    there = context_of(Settings(), runtime(folder, environ)[0])
    here = context_of(Settings(context="git"), runtime(folder, environ)[0])
    assert (there.tag, there.sha) == ("v1.2.3", events.SHA)
    assert (here.branch, here.sha) == ("next", git(folder, "rev-parse", "HEAD").strip())
    assert here.commit_date.isoformat() == "2026-01-02T03:04:05+00:00"
    assert here.repository == there.repository


def test_without_git_its_view_is_a_notice(tmp_path: Path) -> None:
    made, told = runtime(tmp_path, {**events.github("branch main", tmp_path), "PATH": "/nowhere"})
    found = context_of(Settings(context="git"), made)
    assert found.branch == "main"
    assert [event.text for event in told if isinstance(event, Notice)] == [
        "git can't be started, so branch, tag and commit are unknown"
    ]


def test_bytes_of_the_environment_that_are_no_text_become_text(tmp_path: Path) -> None:
    environ = {
        "GITLAB_CI": "true",
        "CI_COMMIT_BRANCH": "m\udcffn",
        "CI_PROJECT_DESCRIPTION": "caf\udce9",
        "CI_JOB_URL": "https://gitlab.example/\udcff",
    }
    found = context_of(Settings(), runtime(tmp_path, environ)[0])
    assert (found.branch, found.repository.description) == ("m\ufffdn", "caf\ufffd")
    assert repr(found).encode()
