"""What is asked of GitHub before a release, and told to it after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flakeship.errors import Error
from release.github import GitHub
from release.version import Version
from tests.release.github_server import GitHubServer

SHA, OTHER = "1" * 40, "2" * 40
ONE = Version(1, 0, 0)


def refused(github_api: GitHubServer) -> str:
    with pytest.raises(Error) as raised:
        GitHub(github_api.api, "o/r").check_tested(SHA, ["test.yml"])
    assert "only what is green on main is released" in raised.value.hint
    return raised.value.message.splitlines()[1]


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ({"conclusion": "failure"}, "- test.yml ended with failure: https://github.example/test.yml"),
        ({"conclusion": "cancelled"}, "- test.yml ended with cancelled"),
        ({"conclusion": "skipped"}, "- test.yml ended with skipped"),
        ({"status": "in_progress", "conclusion": None}, "- test.yml has not ended (in_progress)"),
        ({"head_branch": "topic"}, "- test.yml has no run for it on main"),
        ({"event": "pull_request"}, "- test.yml has no run for it on main"),
        ({"head_sha": OTHER}, "- test.yml has no run for it on main"),
    ],
)
def test_a_commit_without_green_tests_on_main_is_not_released(
    github_api: GitHubServer, run: dict[str, Any], said: str
) -> None:
    github_api.tested(SHA, "test.yml", **run)
    assert refused(github_api).startswith(said)


def test_the_last_run_counts(github_api: GitHubServer) -> None:
    assert refused(github_api) == "- test.yml has no run for it on main"
    github_api.tested(SHA, "test.yml", conclusion="failure")
    github_api.tested(SHA, "test.yml")
    GitHub(github_api.api, "o/r").check_tested(SHA, ["test.yml"])
    github_api.tested(SHA, "test.yml", conclusion="failure")
    assert "failure" in refused(github_api)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for name in ("a.whl", "b.tar.gz", "SHA256SUMS"):
        (tmp_path / name).write_text(name)
    return [tmp_path / name for name in ("a.whl", "b.tar.gz", "SHA256SUMS")]


def test_a_release_is_a_draft_until_it_has_its_files(github_api: GitHubServer, files: list[Path]) -> None:
    GitHub(github_api.api, "o/r").publish(ONE, "notes", files)
    assert [request.split("?")[0] for request in github_api.sent()] == [
        "POST /repos/o/r/releases",
        *["POST /uploads/1/assets"] * 3,
        "PATCH /repos/o/r/releases/1",
    ]
    (made,) = github_api.releases
    assert [asset["body"] for asset in made["assets"]] == [path.read_bytes() for path in files]
    assert (made["body"], made["draft"]) == ("notes", False)


def test_a_release_that_broke_off_is_finished(github_api: GitHubServer, files: list[Path]) -> None:
    github_api.break_upload_of = "b.tar.gz"
    github = GitHub(github_api.api, "o/r")
    with pytest.raises(Error, match="502"):
        github.publish(ONE, "notes", files)
    assert github_api.releases[0]["draft"], "nobody saw it"
    github_api.requests.clear()
    github.publish(ONE, "notes", files)
    assert [request.split(" ")[0] for request in github_api.sent()] == ["DELETE", "POST", "POST", "PATCH"]
    (made,) = github_api.releases
    assert sorted(asset["name"] for asset in made["assets"]) == ["SHA256SUMS", "a.whl", "b.tar.gz"]
    assert not made["draft"]
    github_api.requests.clear()
    assert github.publish(ONE, "notes", files) == made["html_url"]
    assert github_api.sent() == []


def test_nobody_who_answers_is_an_error() -> None:
    with pytest.raises(Error, match="Connection refused") as raised:
        GitHub("http://127.0.0.1:9", "o/r", token="hunter2").check_tested(SHA, ["test.yml"])
    assert "hunter2" not in str(raised.value)
