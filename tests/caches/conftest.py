"""A signed binary cache on loopback, and a `FetchDocument` made of the standard library."""

from __future__ import annotations

import dataclasses
import functools
import http.client
import http.server
import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pytest_mock import MockerFixture

from flakeship.caches.loopback.upstream import Limits
from flakeship.caches.plan import CacheTools, FetchDocument
from flakeship.errors import UnreachableError
from flakeship.events import Emit, Event, Warned, ignore
from flakeship.http.clock import Clock
from flakeship.http.transport import Transport
from flakeship.nix.command import Nix
from flakeship.registry.client import RegistryClient
from flakeship.registry.reference import Reference
from tests.testbed.nix import NixBuild


def no_registry(reference: Reference, /, *, actions: str = "pull,push") -> RegistryClient:
    """Give no client: the caches that there are keep nothing in a registry."""
    pytest.fail(f"{reference} is asked for, to {actions}")


def fetch(url: str, seconds: float, /, *, token: str = "") -> bytes:
    """Send a GET request; a status other than 200 raises UnreachableError."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=seconds)
    try:
        connection.request("GET", parts.path, headers={"Authorization": f"Bearer {token}"} if token else {})
        response = connection.getresponse()
        if response.status != 200:
            raise UnreachableError(f"{url} answers {response.status}")
        return response.read()
    finally:
        connection.close()


def transport(environ: Mapping[str, str] | None = None) -> Transport:
    """Return what a run asks other caches by; it opens nothing before it is used."""
    clock = Clock(now=time.monotonic, sleep=time.sleep, random=random.random)
    return Transport(ca=None, plain_http=(), environ=environ or {}, emit=ignore, clock=clock)


def tools_of(nix: Nix, emit: Emit, folder: Path, fetch: FetchDocument = fetch) -> CacheTools:
    """Return the tools of a run without a registry."""
    return CacheTools(nix, emit, fetch, folder, no_registry, transport())


@dataclass(slots=True)
class EventRecord:
    """An `Emit` that keeps all events."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def warnings(self) -> list[str]:
        return [f"{event.text}: {event.hint}" for event in self.events if isinstance(event, Warned)]


@pytest.fixture
def record() -> EventRecord:
    return EventRecord()


@dataclass(frozen=True, slots=True)
class SignedCache:
    """A static file server for the files of `nix copy`; `requests` are its log lines."""

    url: str
    public_key: str
    requests: list[str]


@pytest.fixture
def signed_cache(tmp_path: Path, nix_environ: Mapping[str, str], shapes: NixBuild) -> Iterator[SignedCache]:
    """Serve a cache that holds the package `chatty` of tests/flakes/shapes, signed by a new key."""
    secret, public, folder = tmp_path / "secret", tmp_path / "public", tmp_path / "cache"
    commands = (
        ("nix-store", "--generate-binary-cache-key", "cache.test-1", str(secret), str(public)),
        ("nix", "copy", "--to", f"file://{folder}?secret-key={secret}", str(shapes("chatty"))),
    )
    for command in commands:
        subprocess.run(command, env=nix_environ, check=True, capture_output=True)
    requests: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            requests.append(self.path)

    with serving(functools.partial(Handler, directory=str(folder))) as url:
        yield SignedCache(url, public.read_text().strip(), requests)


class serving:  # noqa: N801 - reads as a verb in a with statement
    """Serve on a free port of loopback while the block runs."""

    def __init__(self, handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> None:
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> str:
        self.thread.start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def closed_port() -> Iterator[str]:
    """Yield an address where no process listens: it is taken until the test ends, or another one might get it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def black_hole() -> Iterator[str]:
    """Yield an address that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def other_store(tmp_path: Path, nix_environ: Mapping[str, str]) -> Iterator[Nix]:
    """Yield a Nix with an empty store of its own, which has to build or substitute every path."""
    root = tmp_path / "root"
    nix = Nix.find(environ={**nix_environ, "NIX_REMOTE": str(root)}, emit=ignore)
    yield dataclasses.replace(nix, environ={**nix.environ, "XDG_CACHE_HOME": str(tmp_path / "xdg")})
    subprocess.run(["chmod", "-R", "u+w", str(root)], check=False, capture_output=True)


@pytest.fixture
def quick(mocker: MockerFixture) -> None:
    """Make the limits shorter than those of users, so that a plain run of the tests does not wait."""
    mocker.patch("flakeship.caches.loopback.upstream.Limits", functools.partial(Limits, 1.5, 1.5, 1.5))


@dataclass(frozen=True, slots=True)
class Client:
    """A script `cachix` in the PATH of `nix`. It notes what it is given, and does what `does` says in the words of a shell."""

    folder: Path
    nix: Nix

    def does(self, words: str) -> None:
        (self.folder / "does").write_text(words)

    def noted(self, name: str) -> list[str]:
        """The lines of `argv`, `secrets` or `paths`, of one call behind the other."""
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def client(nix: Nix, tmp_path: Path) -> Client:
    folder = tmp_path / "client"
    folder.mkdir()
    (folder / "does").write_text("exit 0")
    (folder / "cachix").write_text(
        "#!/bin/sh\n"
        f'cd {folder}; echo "$@" >>argv; env | grep CACHIX_ | sort >>secrets\n'
        "cat >>paths; . ./does\n"
    )
    (folder / "cachix").chmod(0o755)
    path = f"{folder}:{nix.environ['PATH']}"
    return Client(folder, dataclasses.replace(nix, environ={**nix.environ, "PATH": path}))
