"""Stands in for GitHub's API, which no test can reach: the few answers that a release rests on, from memory.

https://docs.github.com/rest/releases/releases and https://docs.github.com/rest/actions/workflow-runs
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class GitHubServer(ThreadingHTTPServer):
    """`runs` are the runs of each workflow; `releases` is what was made. `break_upload_of` is a file that breaks once."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.runs: dict[str, list[dict[str, Any]]] = {}
        self.releases: list[dict[str, Any]] = []
        self.break_upload_of = ""
        self.requests: list[str] = []

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def tested(self, commit: str, *workflows: str, **changes: Any) -> None:
        """Record a run for a push of `commit` to main; green, unless `changes` say otherwise."""
        for workflow in workflows:
            runs = self.runs.setdefault(workflow, [])
            run: dict[str, Any] = {
                "head_sha": commit,
                "head_branch": "main",
                "event": "push",
                "status": "completed",
            }
            run |= {
                "conclusion": "success",
                "run_number": len(runs) + 1,
                "html_url": f"https://github.example/{workflow}",
            }
            runs.append(run | changes)

    def sent(self) -> list[str]:
        """Requests that change something."""
        return [request for request in self.requests if not request.startswith("GET")]


@contextlib.contextmanager
def serve() -> Iterator[GitHubServer]:
    with GitHubServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            yield server
        finally:
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: GitHubServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        self._note()
        workflow = re.search(r"/workflows/([^/]+)/runs", self.path)
        if workflow:
            self._answer(200, {"workflow_runs": self.server.runs.get(workflow[1], [])})
        else:
            self._answer(200, self.server.releases)

    def do_POST(self) -> None:
        self._note()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if "/assets" in self.path:
            self._take(body)
            return
        release = json.loads(body) | {"id": len(self.server.releases) + 1, "assets": []}
        release |= {
            "html_url": f"https://github.example/{release['tag_name']}",
            "upload_url": f"{self.server.api}/uploads/{release['id']}/assets{{?name,label}}",
        }
        self.server.releases.append(release)
        self._answer(201, release)

    def do_PATCH(self) -> None:
        self._note()
        changes = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        release = self._release(int(self.path.rpartition("/")[2]))
        release |= changes
        self._answer(200, release)

    def do_DELETE(self) -> None:
        self._note()
        number = int(self.path.rpartition("/")[2])
        for release in self.server.releases:
            release["assets"] = [asset for asset in release["assets"] if asset["id"] != number]
        self.send_response(204)
        self.end_headers()

    def _take(self, body: bytes) -> None:
        release = self._release(int(self.path.split("/")[2]))
        name = parse_qs(urlsplit(self.path).query)["name"][0]
        if any(asset["name"] == name for asset in release["assets"]):
            self._answer(422, {"message": "already_exists"})
            return
        whole = name != self.server.break_upload_of
        asset = {"id": len(self.server.requests), "name": name, "size": len(body) if whole else 0}
        release["assets"].append(asset | {"state": "uploaded" if whole else "starter", "body": body})
        if not whole:
            self.server.break_upload_of = ""
        self._answer(201 if whole else 502, {})

    def _release(self, number: int) -> dict[str, Any]:
        return next(release for release in self.server.releases if release["id"] == number)

    def _note(self) -> None:
        self.server.requests.append(f"{self.command} {self.path}")

    def _answer(self, status: int, document: object) -> None:
        data = json.dumps(document, default=lambda _: None).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
