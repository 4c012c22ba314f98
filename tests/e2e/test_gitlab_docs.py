"""Pipelines of docs/gitlab.md as they stand there, read by real gitlab-ci-local with the component that they name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.rendering.test_gitlab_docs import BLOCKS
from tests.testbed.gitlab import SERVER, GitLab

Jobs: TypeAlias = Callable[[str], dict[str, dict[str, Any]]]


@pytest.fixture
def jobs(gitlab: GitLab, git: Callable[..., str], flakeship_project: None, tmp_path: Path) -> Jobs:
    """`jobs(word)` are those of the pipeline that holds the word, on the default branch."""

    def listed(word: str) -> dict[str, dict[str, Any]]:
        (block,) = (block for block in BLOCKS if word in block)
        folder = tmp_path / "app"
        git(tmp_path, "init", "-q", "-b", "main", str(folder))
        (folder / ".gitlab-ci.yml").write_text(block)
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "pipeline")
        git(folder, "remote", "add", "origin", f"{SERVER}/harbour/app.git")
        run = gitlab(folder, "--list-json")
        assert run.returncode == 0, str(run)
        return {job["name"]: job for job in json.loads(run.log[run.log.index("\n[\n") :])}

    return listed


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("stop-review", {"flakeship": "on_success", "review": "never", "production": "on_success"}),
        ("PARENT_PIPELINE_ID:", {"flakeship": "on_success", "deploy": "on_success"}),
    ],
)
def test_a_pipeline_has_its_jobs(word: str, wanted: dict[str, str], jobs: Jobs) -> None:
    found = jobs(word)
    assert {name: job["when"] for name, job in found.items()}.items() >= wanted.items()
    assert {need["job"] for job in found.values() for need in job.get("needs") or []} == {"flakeship"}
