"""Events in a few words, as each platform would tell of them: `branch main`, `tag v1.2.3 from dev`, `pr 2 to main`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

SHA = "860c1904a1ce19322e91ac35af1ab07466440c37"
NOW = datetime(2020, 1, 10, 0, 30, tzinfo=UTC)
COMMITTED = "2019-11-05T18:04:09Z"

_GITHUB = {
    "branch": "push",
    "tag": "push",
    "pr": "pull_request",
    "pr-target": "pull_request_target",
    "dispatch": "workflow_dispatch",
    "create-tag": "create",
    "nothing": "",
}
_TAGS = {"tag", "release", "create-tag"}
_PULLS = {"pr", "pr-target"}
_GITLAB = {
    "branch": "push",
    "tag": "push",
    "pr": "merge_request_event",
    "schedule": "schedule",
    "dispatch": "web",
}


def github(event: str, folder: Path) -> dict[str, str]:
    """GitHub's environment, with the payload written to `folder`."""
    kind, *words = event.split()
    if kind == "nothing":
        return {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "octo/app"}
    payload: dict[str, object] = {
        "repository": {
            "name": "app",
            "full_name": "octo/app",
            "description": "An app",
            "html_url": "https://github.com/octo/app",
            "license": {"spdx_id": "MIT"},
            "default_branch": "main",
        },
        "head_commit": {"id": SHA, "timestamp": COMMITTED},
    }
    ref = f"refs/tags/{words[0]}" if kind in _TAGS else f"refs/heads/{words[0]}"
    if kind in _TAGS and len(words) > 1:
        payload["base_ref"] = f"refs/heads/{words[2]}"
    if kind in _PULLS:
        # The ref of pull_request_target is that of the branch the request is for.
        ref = f"refs/pull/{words[0]}/merge" if kind == "pr" else f"refs/heads/{words[2]}"
        repository = {"full_name": "octo/app"}
        payload["number"] = int(words[0])
        payload["pull_request"] = {
            "base": {"ref": words[2], "repo": repository},
            "head": {"sha": "f" * 40, "repo": repository},
        }
    (folder / "event.json").write_text(json.dumps(payload))
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": _GITHUB.get(kind, kind),
        "GITHUB_EVENT_PATH": str(folder / "event.json"),
        "GITHUB_REF": ref,
        "GITHUB_SHA": SHA,
        "GITHUB_REPOSITORY": "octo/app",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_RUN_ID": "42",
        "GITHUB_ACTOR": "mona",
    }


def gitlab(event: str) -> dict[str, str] | None:
    """GitLab's environment for the same, None if GitLab has no such event."""
    kind, *words = event.split()
    if kind not in _GITLAB or "from" in words:
        return None
    environ = {
        "GITLAB_CI": "true",
        "CI_PIPELINE_SOURCE": _GITLAB[kind],
        "CI_COMMIT_SHA": SHA,
        "CI_COMMIT_TIMESTAMP": COMMITTED,
        "CI_DEFAULT_BRANCH": "main",
        "CI_PROJECT_TITLE": "app",
        "CI_PROJECT_PATH": "octo/app",
        "CI_PROJECT_DESCRIPTION": "An app",
        "CI_PROJECT_URL": "https://gitlab.com/octo/app",
        "CI_PROJECT_ID": "7",
        "CI_REGISTRY_IMAGE": "registry.gitlab.com/octo/app",
        "GITLAB_USER_LOGIN": "mona",
        "CI_JOB_URL": "https://gitlab.com/octo/app/-/jobs/42",
    }
    if kind == "tag":
        return environ | {"CI_COMMIT_TAG": words[0]}
    if kind == "pr":
        return environ | {
            "CI_MERGE_REQUEST_IID": words[0],
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": words[2],
            "CI_MERGE_REQUEST_PROJECT_ID": "7",
            "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "7",
        }
    return environ | {"CI_COMMIT_BRANCH": words[0]}


def forgejo(event: str, folder: Path) -> dict[str, str]:
    """Forgejo's environment for the same."""
    environ = github(event, folder) | {"FORGEJO_ACTIONS": "true"}
    if event.startswith("pr "):
        environ["GITHUB_REF"] = environ["GITHUB_REF"].replace("/merge", "/head")
    return environ
