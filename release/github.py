"""What is asked of GitHub's API, and told to it: runs of workflows, and a release with its files.

https://docs.github.com/rest/actions/workflow-runs and https://docs.github.com/rest/releases
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from release import NotReleasableError
from release.version import Version

_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class GitHub:
    """One repository. `api` is the URL before `/repos`."""

    api: str
    repository: str
    token: str = field(default="", repr=False)

    def check_tested(self, commit: str, workflows: Sequence[str]) -> None:
        """NotReleasableError unless the last run of each workflow for a push of `commit` to main has succeeded."""
        reasons = [reason for workflow in workflows if (reason := self._untested(commit, workflow))]
        if reasons:
            raise NotReleasableError(
                "\n".join([f"the commit {commit} is not tested:", *(f"- {reason}" for reason in reasons)]),
                hint="only what is green on main is released: let the runs end, start them again, or release another commit",
            )

    def publish(self, version: Version, notes: str, files: Sequence[Path]) -> str:
        """Make the release for the version's tag with these files, or what is missing of it, and return its address.

        It stays a draft until it has all files: an immutable release takes none later.
        """
        release = self._release(version.tag) or self._json(
            "POST",
            "releases",
            {
                "tag_name": version.tag,
                "name": str(version),
                "body": notes,
                "draft": True,
                "make_latest": "legacy",
            },
        )
        there = {asset["name"]: asset for asset in release.get("assets", [])}
        for path in files:
            self._upload(release, path, there.get(path.name))
        if release["draft"]:
            release = self._json(
                "PATCH", f"releases/{release['id']}", {"draft": False, "make_latest": "legacy"}
            )
        return str(release["html_url"])

    def _untested(self, commit: str, workflow: str) -> str:
        query = urllib.parse.urlencode(
            {"head_sha": commit, "branch": "main", "event": "push", "per_page": 100}
        )
        answer = self._json("GET", f"actions/workflows/{workflow}/runs?{query}")
        # the filters of the request are not what a release rests on
        runs = [
            run
            for run in answer["workflow_runs"]
            if (run["head_sha"], run["head_branch"], run["event"]) == (commit, "main", "push")
        ]
        if not runs:
            return f"{workflow} has no run for it on main"
        last = max(runs, key=lambda run: int(run["run_number"]))
        if last["status"] != "completed":
            return f"{workflow} has not ended ({last['status']}): {last['html_url']}"
        if last["conclusion"] != "success":
            return f"{workflow} ended with {last['conclusion']}: {last['html_url']}"
        return ""

    def _release(self, tag: str) -> dict[str, Any] | None:
        # a draft is not found by its tag
        listed: list[dict[str, Any]] = self._json("GET", "releases?per_page=100")
        return next((release for release in listed if release["tag_name"] == tag), None)

    def _upload(self, release: dict[str, Any], path: Path, there: dict[str, Any] | None) -> None:
        if there and there["state"] == "uploaded" and there["size"] == path.stat().st_size:
            return
        if there:  # of an upload that broke
            self._json("DELETE", f"releases/assets/{there['id']}")
        address = release["upload_url"].partition("{")[0] + "?" + urllib.parse.urlencode({"name": path.name})
        self._send("POST", address, path.read_bytes(), "application/octet-stream")

    def _json(self, method: str, path: str, document: object = None) -> Any:
        body = None if document is None else json.dumps(document).encode()
        return self._send(method, f"{self.api}/repos/{self.repository}/{path}", body, "application/json")

    def _send(self, method: str, url: str, body: bytes | None, kind: str) -> Any:
        headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        headers |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers |= {"Content-Type": kind} if body is not None else {}
        request = urllib.request.Request(url, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(2000).decode(errors="replace")
            raise NotReleasableError(
                f"GitHub answered {method} {url} with {error.code}", hint="run the release again", detail=said
            ) from error
        except OSError as error:
            raise NotReleasableError(
                f"{method} {url} failed: {error}", hint="run the release again"
            ) from error
