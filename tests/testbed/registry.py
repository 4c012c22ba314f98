"""A real docker-registry (CNCF distribution) on loopback: open, with Basic, with Bearer, or behind a fault proxy."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import requests

from tests.testbed.registry_faults import Faults
from tests.testbed.registry_proxy import FaultProxy, fault_proxy
from tests.testbed.registry_token import TokenServer, token_server

USERNAME: Final = "fixture-user"
PASSWORD: Final = "correct horse"
_BCRYPT: Final = "$2b$04$SAEMOGxULvi7wM3PPhsjHeN5lxdniIwBIEJbi3aXjM63ghlLuYwlO"
"""Of PASSWORD, at the lowest cost: the only kind of hash that docker-registry takes."""

MANIFEST_TYPES: Final = (
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json"
)
_ACCESS: Final = re.compile(r'"(?P<method>[A-Z]+) (?P<path>\S+) HTTP/[\d.]+" (?P<status>\d+) ')
_numbers: Final = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Access:
    """One line of the registry's own access log."""

    method: str
    path: str
    status: int


@dataclass(slots=True)
class Registry:
    """A running registry: `host` is `127.0.0.1:PORT`; the other methods look at it past any proxy."""

    host: str
    root: Path
    folder: Path
    username: str = ""
    password: str = ""
    tokens: TokenServer | None = None
    _opened: requests.Session = field(default_factory=requests.Session, repr=False)

    def new_repository(self) -> str:
        return f"test/{next(_numbers)}-{time.monotonic_ns():x}"

    def get(self, path: str, *, repository: str = "", **kwargs: Any) -> requests.Response:
        """GET `/v2/<path>` with whatever right this registry asks for."""
        return self.request("GET", path, repository=repository, **kwargs)

    def request(self, method: str, path: str, *, repository: str = "", **kwargs: Any) -> requests.Response:
        headers = kwargs.pop("headers", {})
        if self.tokens:
            headers["Authorization"] = f"Bearer {self.tokens.mint(repository, ['pull', 'push', 'delete'])}"
        elif self.username:
            kwargs["auth"] = (self.username, self.password)
        url = f"http://{self.host}/v2/{path}"
        return self._opened.request(method, url, headers=headers, timeout=20, **kwargs)

    def manifest(self, repository: str, reference: str) -> dict[str, Any] | None:
        """The manifest as JSON; None where there is none."""
        answer = self.get(
            f"{repository}/manifests/{reference}", repository=repository, headers={"Accept": MANIFEST_TYPES}
        )
        return None if answer.status_code == 404 else dict(answer.json())

    def digest(self, repository: str, reference: str) -> str:
        answer = self.get(
            f"{repository}/manifests/{reference}", repository=repository, headers={"Accept": MANIFEST_TYPES}
        )
        return answer.headers.get("Docker-Content-Digest", "") if answer.ok else ""

    def blob(self, repository: str, digest: str) -> bytes | None:
        answer = self.get(f"{repository}/blobs/{digest}", repository=repository)
        return None if answer.status_code == 404 else answer.content

    def tags(self, repository: str) -> list[str]:
        answer = self.get(f"{repository}/tags/list", repository=repository)
        return [] if answer.status_code == 404 else sorted(answer.json().get("tags") or [])

    def open_uploads(self, repository: str) -> list[str]:
        """Ids of upload sessions that nobody finished or cancelled."""
        folder = self.root / "docker/registry/v2/repositories" / repository / "_uploads"
        # a session that was cancelled while it was written to may leave a folder behind, without its start
        return sorted(path.parent.name for path in folder.glob("*/startedat"))

    def accesses(self, part: str = "") -> list[Access]:
        """What was asked so far, from the registry's own log, of paths that hold `part`.

        A request is logged when its handler is done, which may be after the client has all of a large body: so one more
        request is made and waited for, which the registry begins behind those.
        """
        mark = f"/v2/?{next(_numbers)}"
        with contextlib.suppress(requests.RequestException):  # one that has ended writes nothing more
            self._opened.get(f"http://{self.host}{mark}", timeout=20)
            deadline = time.monotonic() + 20
            while f" {mark} " not in self._log() and time.monotonic() < deadline:
                time.sleep(0.002)
        entries = [
            Access(hit["method"], hit["path"], int(hit["status"])) for hit in _ACCESS.finditer(self._log())
        ]
        return [entry for entry in entries if part in entry.path and not entry.path.startswith("/v2/?")]

    def _log(self) -> str:
        return (self.folder / "access.log").read_text()


@contextlib.contextmanager
def serve(folder: Path, *, auth: dict[str, Any] | None = None, **extra: Any) -> Iterator[Registry]:
    """Run docker-registry with its data below `folder`, which may be there already, until the block is left.

    `extra` are top-level keys of its config.
    """
    root = folder / "data"
    root.mkdir(parents=True, exist_ok=True)
    config = {
        "version": "0.1",
        "log": {"level": "info", "formatter": "json"},
        "storage": {"filesystem": {"rootdirectory": str(root)}, "delete": {"enabled": True}},
        "http": {"addr": "127.0.0.1:0", "secret": "fixture"},
        **({"auth": auth} if auth else {}),
        **extra,
    }
    (folder / "config.yml").write_text(json.dumps(config))
    with (folder / "access.log").open("wb") as access, (folder / "log").open("wb") as log:
        command = ["docker-registry", "serve", str(folder / "config.yml")]
        server = subprocess.Popen(command, stdout=access, stderr=log)
    registry: Registry | None = None
    try:
        registry = Registry(f"127.0.0.1:{_port_of(server, folder / 'log')}", root, folder)
        yield registry
    finally:
        if registry is not None:
            registry._opened.close()
        server.kill()
        server.wait()


def _port_of(server: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and server.poll() is None:
        if hit := re.search(r"listening on 127\.0\.0\.1:(\d+)", log.read_text()):
            return int(hit[1])
        time.sleep(0.01)
    raise RuntimeError(f"docker-registry did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Open to everybody."""
    with serve(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def basic_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Asks for `username` and `password` by Basic."""
    folder = tmp_path_factory.mktemp("basic-registry")
    (folder / "htpasswd").write_text(f"{USERNAME}:{_BCRYPT}\n")
    auth = {"htpasswd": {"realm": "fixture", "path": str(folder / "htpasswd")}}
    with serve(folder, auth=auth) as running:
        running.username, running.password = USERNAME, PASSWORD
        yield running


@pytest.fixture(scope="session")
def _token_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenServer]:
    with token_server(tmp_path_factory.mktemp("tokens"), username=USERNAME, password=PASSWORD) as running:
        yield running


@pytest.fixture(scope="session")
def _token_registry(
    tmp_path_factory: pytest.TempPathFactory, _token_server: TokenServer
) -> Iterator[Registry]:
    auth = {"token": _token_server.registry_config()}
    with serve(tmp_path_factory.mktemp("token-registry"), auth=auth) as running:
        running.username, running.password, running.tokens = USERNAME, PASSWORD, _token_server
        yield running


@pytest.fixture
def token_registry(_token_registry: Registry) -> Iterator[Registry]:
    """Asks for a Bearer token; `.tokens` is its token server, as new for each test."""
    assert _token_registry.tokens
    _token_registry.tokens.reset()
    yield _token_registry
    _token_registry.tokens.reset()


@pytest.fixture
def proxy(registry: Registry) -> Iterator[FaultProxy]:
    """The open registry behind a proxy that fails as it is told; speak to `proxy.host`."""
    with fault_proxy(registry.host) as running:
        yield running


@pytest.fixture
def proxy_to() -> Iterator[Callable[[str], FaultProxy]]:
    """Makes a fault proxy in front of any `host:port`."""
    with contextlib.ExitStack() as stack:
        yield lambda host: stack.enter_context(fault_proxy(host))


__all__ = ["Access", "FaultProxy", "Faults", "Registry", "TokenServer", "serve"]
