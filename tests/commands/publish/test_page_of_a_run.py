"""The page of a job after two runs that push to the same tag: what each of them was sent, and what it is compared with."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from flakeship import cli
from tests.report.test_pages import unread
from tests.testbed.registry_memory import MemoryRegistry

SHA = "3e7be6a5201e85a0065ca27c92c90e9c2ee51dd8"
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_REPOSITORY": "octo/harbour",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_SHA": SHA,
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_COMMIT_BRANCH": "main",
    "CI_COMMIT_SHA": SHA,
    "CI_PROJECT_URL": "https://gitlab.example/group/app",
}


@pytest.mark.parametrize("platform", ["github", "gitlab"])
def test_the_second_image_is_compared_with_the_first(
    platform: str, archive: Path, registry: MemoryRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"head_commit": {"id": SHA, "timestamp": "2026-01-31T12:00:00Z"}}))
    name = f"{registry.host}/{registry.new_repository()}"
    own = {
        "github": {
            **GITHUB,
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        },
        "gitlab": {**GITLAB, "CI_REGISTRY_IMAGE": name, "SHIPPED_FOLDER": str(tmp_path)},
    }[platform]
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "FLAKESHIP_LAYER_CACHE": "off", **own}
    monkeypatch.setattr(os, "environ", environ)
    monkeypatch.chdir(tmp_path)
    pages: list[str] = []
    for labels in ("a=1", "a=2"):
        before = len(pages[0]) if pages else 0
        flags = ("--source", str(archive), "--tags", f"{name}:1,{name}:{labels[-1]}", "--labels", labels)
        assert cli.main(["publish", *flags]) == 0
        pages.append((tmp_path / "summary.md").read_text()[before:])
    first, second = pages
    assert "the last" not in first
    assert f" · as large as the last <code>{name}:1</code> · ".replace(":", "&#58;") in second
    for page in pages:
        assert "\npodman pull " in page
        assert f"```sh\ndocker pull {name}@sha256:" in page
    assert not unread(first + second)
    commit = {
        "github": f"[{SHA[:12]}](https://github.com/octo/harbour/commit/{SHA})",
        "gitlab": f"[{SHA[:12]}](https://gitlab.example/group/app/-/commit/{SHA})",
    }[platform]
    assert f"**Commit** {commit}" in second
    assert ("](https://gitlab.example/group/app/container_registry)" in second) == (platform == "gitlab")
