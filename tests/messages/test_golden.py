"""docs/messages.md: what a user sees of each kind of failure, made by causing it. `FLAKESHIP_RENDER=1` writes the page anew."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import shlex
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from flakeship.ci import github, local
from flakeship.cli import main
from flakeship.errors import Error
from flakeship.nix.command import Nix
from tests.messages.caches import CACHES, warnings_of
from tests.messages.cases import COMMANDS, NIX, Case
from tests.nix.failures import explained
from tests.testbed import archives

PAGE = Path(__file__).parents[2] / "docs" / "messages.md"
_BESIDE = re.compile(
    r"flakeship \d|==> |::(end)?group|.* is tried again in |\s+[0-9a-f]{12} |note: (git can't be started|this folder is not in|GITHUB_EVENT_PATH)"
)
"""Stages, layers and notes."""
HEADINGS = {
    2: "Exit code 2: an input is malformed, or contradicts another",
    3: "Exit code 3: Nix is missing, or could not build",
    4: "Exit code 4: the source is not an image, or is damaged",
    5: "Exit code 5: the push is not allowed",
    6: "Exit code 6: the registry or the network failed",
    7: "Exit code 7: a check refuses the image",
    8: "Exit code 8: this machine has too little of something",
}
BEGINNING = """# Messages

What flakeship writes when something fails: what failed and why, and behind the arrow what to do next. Search this page for the
words that you see; within each exit code the most common come first.

Each message was made by causing the failure; the name of the
folder, `/project`, and the port 5000 stand for those of the test. Where an input was given on the command line a message names its
flag (`--tags`), in a workflow its name (`tags`). The messages under "Nix" are what becomes of the words of Nix.
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with sources of all sorts."""
    made = tmp_path_factory.mktemp("work")
    image = archives.layered()
    rootfs = archives.layer_tar({"bin/sh": "x", "etc/passwd": "root"})
    files: Mapping[str, bytes] = {
        "image.tar": image,
        "several.tar": archives.merged("registry.example/a:1", "registry.example/b:1"),
        "cut.tar": image[: len(image) // 2],
        "trailing.tar.gz": gzip.compress(image, mtime=0) + b"something else",
        "rootfs.tar": rootfs,
        "folder/file": b"text",
        "some.json": b"{}",
        "script": b"#!/bin/sh\n",
        "empty": b"",
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "some.zip": b"PK\x03\x04" + bytes(600),
        "app/flake.nix": b"{ }",
    }
    for name, data in files.items():
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_bytes(data)
    return made


class _Answering(BaseHTTPRequestHandler):
    """Answers `GET /v2/` as a registry that asks for no credentials, and everything else as the case says."""

    protocol_version = "HTTP/1.1"
    answer = (404, "")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        status, body = (
            (200, "{}") if self.path == "/v2/" and self.answer[0] not in (401, 403) else self.answer
        )
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="registry"')
        self.send_header("Content-Type", "application/json" if body[:1] == "{" else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def answering(case: Case) -> Iterator[str]:
    if "{here}" not in case.command:
        yield "nowhere.example"
        return
    handler = type("Handler", (_Answering,), {"answer": case.answer})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def ended(case: Case, folder: Path, capsys: pytest.CaptureFixture[str], **more: str) -> tuple[int, str]:
    """The exit code, and what stands on stderr behind the stages."""
    around = {
        "PATH": os.environ["PATH"]
        if case.command.startswith(
            ("publish .", "publish a", "publish /", "publish --flake", "publish --attr")
        )
        else "/nonexistent",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder.parent),
        "LANG": "C.UTF-8",
    }
    given = {**around, "GIT_CEILING_DIRECTORIES": str(folder.parent), **more, **case.environ}
    with (
        answering(case) as here,
        mock.patch.dict(os.environ, given, clear=True),
        mock.patch("time.sleep"),
    ):
        code = main(shlex.split(case.command.replace("{here}", here)))
    told = capsys.readouterr().err.replace(here, "127.0.0.1:5000").replace(str(folder), "/project")
    told = re.sub(r"\b[0-9a-f]{32}(?=::|$)", "TOKEN", told, flags=re.MULTILINE)
    return code, "\n".join(line for line in told.splitlines() if not _BESIDE.match(line))


@pytest.fixture
def page(folder: Path, nix: Nix, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(folder)
    sections: dict[int, list[str]] = {code: [] for code in HEADINGS}
    for case in COMMANDS:
        code, told = ended(case, folder, capsys)
        before = " ".join(
            f"{name}={shlex.quote(value)}"
            for name, value in case.environ.items()
            if name not in {"FLAKESHIP_PASSWORD", "FLAKESHIP_SIGNING_KEY", "FLAKESHIP_SIGNING_PASSWORD"}
        )
        line = (
            f"$ {before}{' ' if before else ''}flakeship {case.command.replace('{here}', '127.0.0.1:5000')}"
        )
        sections[code].append(f"### {case.title}\n\n```text\n{line}\n{told}\n```\n")
    of_nix = [(case, explained(nix, case.text, tail=case.tail)) for case in NIX]
    parts = [BEGINNING]
    for code, heading in HEADINGS.items():
        parts += [f"## {heading}\n", *sections[code]]
        shown = [
            f"### {case.title}\n\n```text\n{as_on_a_terminal(error)}\n```\n"
            for case, error in of_nix
            if error.exit_code == code
        ]
        parts += ["**Nix**\n", *shown] if shown else []
    parts.append(
        "## Exit code 0: a Nix cache can't be used\n\nA cache never fails a run. Each of these is one warning, and what the cache does not give is built.\n"
    )
    for number, each in enumerate(CACHES):
        (folder / f"cache-{number}").mkdir()
        lines = "\n".join(warnings_of(each, folder / f"cache-{number}"))
        parts.append(f"### {each.title}\n\n```text\n{lines}\n```\n")
    parts.append(
        "## On GitHub\n\nThe same, as annotations of the run: in its log, on its page, and at the line of the flake that Nix names.\n"
    )
    for case in (COMMANDS[0], next(case for case in COMMANDS if "--lint" in case.command)):
        _, told = ended(case, folder, capsys, GITHUB_ACTIONS="true")
        parts.append(f"### {case.title}, on GitHub\n\n```text\n{told}\n```\n")
    out = io.StringIO()
    github.report_failure(of_nix[0][1], out, cwd=folder, environ={})
    parts.append(
        f"### {NIX[0].title}, on GitHub\n\n```text\n{re.sub(r'[0-9a-f]{32}(?=::|$)', 'TOKEN', out.getvalue(), flags=re.MULTILINE).rstrip()}\n```\n"
    )
    return "\n".join(parts)


def as_on_a_terminal(error: Error) -> str:
    out = io.StringIO()
    local.report_failure(error, out, cwd=Path("/nonexistent"), environ={})
    return out.getvalue().rstrip()


def test_the_page_of_messages_is_what_users_see(page: str) -> None:
    if os.environ.get("FLAKESHIP_RENDER") == "1":
        PAGE.write_text(page)
    assert page == PAGE.read_text(), (
        "`FLAKESHIP_RENDER=1 ./dev test tests/messages` writes docs/messages.md anew"
    )
    entries = page.split("\n### ")[1:]
    assert len(entries) > 90
    assert [
        entry.partition("\n")[0]
        for entry in entries
        if not any(word in entry for word in ("error: ", "::error", "warning: "))
    ] == []
    assert [
        entry.partition("\n")[0] for entry in entries if "  -> " not in entry and "::error" not in entry
    ] == []
    assert "canary" not in page
