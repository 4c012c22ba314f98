"""A registry that echoes the password: it is in no log, no error, no page and no file, on any platform."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.e2e.publishing import Run, runner
from tests.testbed.registry import FaultProxy, Registry
from tests.testbed.registry_proxy import fault_proxy

pytestmark = pytest.mark.slow

USER, PASSWORD = "canaryUser7x", "CaNaRy+pa/ss=9&q_*"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
SEEN = (
    PASSWORD,
    "CaNaRy",
    quote(PASSWORD, safe=""),
    BASIC,
    BASIC.rstrip("="),
    base64.b64encode(PASSWORD.encode()).decode()[:20],
)
ECHO = (
    f"got Basic {BASIC} = {USER}:{PASSWORD} ?p={quote(PASSWORD, safe='')} {json.dumps(PASSWORD)} {PASSWORD!r}"
)
PLATFORMS: Mapping[str, Mapping[str, str]] = {
    "local": {},
    "gitlab": {"GITLAB_CI": "true", "CI": "true", "SHIPPED_FOLDER": "shipped"},
    "github": {"GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_SHA": "8" * 40},
}


@pytest.fixture(params=PLATFORMS)
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> Mapping[str, str]:
    """The environment of a job; GitHub's names its files, and all are empty."""
    variables = dict(PLATFORMS[request.param])
    if request.param == "github":
        for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STEP_SUMMARY", "GITHUB_EVENT_PATH"):
            (tmp_path / name).write_text("{}" if name == "GITHUB_EVENT_PATH" else "")
            variables[name] = str(tmp_path / name)
    return variables


@pytest.fixture
def front(basic_registry: Registry) -> Iterator[FaultProxy]:
    """A registry that wants a password, behind a proxy that answers in its place."""
    with fault_proxy(basic_registry.host) as running:
        running.fail_next("GET", "/v2/$", status=401, headers={"WWW-Authenticate": 'Basic realm="r"'})
        yield running


@pytest.fixture
def run(platform: Mapping[str, str], nix_environ: Mapping[str, str], tmp_path: Path) -> Run:
    login = {"FLAKESHIP_USERNAME": USER, "FLAKESHIP_PASSWORD": PASSWORD}
    return runner({**nix_environ, **platform, **login}, tmp_path)


@pytest.mark.parametrize("where", ["error", "warning", "cut"])
def test_a_password_that_comes_back_is_written_nowhere(
    where: str, front: FaultProxy, run: Run, archive: Path, tmp_path: Path
) -> None:
    bare = ECHO.replace('"', "")
    warning = {"Warning": f'299 - "{bare}"'} if where == "warning" else {}
    front.fail_next("GET", "/v2/$", status=200, headers=warning)
    said = ECHO if where != "cut" else "x" * 480 + PASSWORD
    body = json.dumps({"errors": [{"code": "DENIED", "message": said}]}).encode()
    front.fail_next("POST", "/uploads/", status=403, body=body, times=9)
    done = run("--source", str(archive), "--tags", f"{front.host}/a/b:1", "--metadata-file", "metadata.json")
    assert done.returncode == 5, done.stderr
    assert "DENIED" in done.stderr
    masks = tuple(line for line in done.stderr.splitlines() if line.startswith("::add-mask::"))
    shown = "\n".join(line for line in done.stderr.splitlines() if line not in masks) + done.stdout
    files = (
        path for path in tmp_path.rglob("*") if path.is_file() and path.suffix in {"", ".md", ".json", ".env"}
    )
    written = "\n".join(path.read_text(errors="replace") for path in files)
    assert [canary for canary in SEEN if canary in shown + written] == []
