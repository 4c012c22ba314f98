"""The bench: a tool pushes through the fault proxy to a real registry and its token server, and what it left is looked at."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from tests.faults.tools import FLAKESHIP, Tool, environ
from tests.images import opener
from tests.testbed.archive_shapes import Item, archive, packed
from tests.testbed.registry import MANIFEST_TYPES, FaultProxy, Registry, serve
from tests.testbed.registry_proxy import fault_proxy
from tests.testbed.registry_token import TokenServer, token_server

USERNAME: Final = "bench-user"
PASSWORD: Final = "CaNaRy+pa/ss=9&q"
TAG: Final = "1"

State: TypeAlias = Literal["absent", "complete", "incomplete"]


@dataclass(slots=True)
class Stage:
    """One push, and what stands in its way: the rules of `proxy`, before the registry and its token server alike."""

    registry: Registry
    proxy: FaultProxy
    repository: str
    image: Path
    folder: Path

    @property
    def reference(self) -> str:
        return f"{self.proxy.host}/{self.repository}:{TAG}"

    @property
    def challenge(self) -> dict[str, str]:
        """The header of a 401 that asks for a new token."""
        scope = f"repository:{self.repository}:pull,push"
        realm = f'Bearer realm="http://{self.proxy.host}/token",service="fixture-registry",scope="{scope}"'
        return {"WWW-Authenticate": f'{realm},error="invalid_token"'}

    def state(self, tag: str = TAG) -> State:
        """What the tag leads to, every blob read and hashed, past the proxy."""
        answer = self._get(f"manifests/{tag}")
        if answer is None:
            return "absent"
        manifest = json.loads(answer)
        described = [manifest["config"], *manifest["layers"]]
        blobs = [self._get(f"blobs/{each['digest']}") for each in described]
        whole = all(
            blob is not None and f"sha256:{hashlib.sha256(blob).hexdigest()}" == each["digest"]
            for blob, each in zip(blobs, described, strict=True)
        )
        return "complete" if whole else "incomplete"

    def held(self) -> set[str]:
        """Digests of the blobs that the repository has, as its own folder tells."""
        folder = self.registry.root / "docker/registry/v2/repositories" / self.repository / "_layers/sha256"
        return {link.parent.name for link in folder.glob("*/link")}

    def _get(self, path: str) -> bytes | None:
        headers = {"Accept": MANIFEST_TYPES}
        answer = self.registry.get(f"{self.repository}/{path}", repository=self.repository, headers=headers)
        return answer.content if answer.ok else None


@dataclass(slots=True)
class Outcome:
    """What a push did: `code` is None where it had to be ended, `sent` counts bytes of bodies that came to the proxy."""

    code: int | None
    seconds: float
    said: str
    sent: int
    state: State
    sessions: int
    litter: list[str]
    secrets: list[str]


@dataclass(slots=True)
class Running:
    """A push that goes on, with a folder for its temporary files."""

    stage: Stage
    process: subprocess.Popen[bytes]
    temporary: Path
    begun: float = field(default_factory=time.monotonic)

    def ended(self, *, within: float) -> Outcome:
        """Wait for it, and look at what it left. After `within` seconds it is killed."""
        code: int | None
        try:
            out, err = self.process.communicate(timeout=within)
            code = self.process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            out, err = self.process.communicate()
            code = None
        seconds = time.monotonic() - self.begun
        said = (out + err).decode(errors="replace")
        stage = self.stage
        litter = sorted(str(path.relative_to(self.temporary)) for path in self.temporary.rglob("*"))
        return Outcome(
            code, seconds, said, stage.proxy.received, stage.state(), open_sessions(stage), litter, shown(stage, said)
        )  # fmt: skip


@dataclass(slots=True)
class Bench:
    """One registry for many pushes, each to a repository of its own through a proxy of its own."""

    registry: Registry
    tokens: TokenServer | None
    folder: Path

    @contextlib.contextmanager
    def stage(self, image: Path, *, repository: str = "") -> Iterator[Stage]:
        with fault_proxy(self.registry.host, tokens=self.tokens.host if self.tokens else "") as proxy:
            folder = Path(tempfile.mkdtemp(dir=self.folder))
            try:
                yield Stage(self.registry, proxy, repository or self.registry.new_repository(), image, folder)
            finally:
                shutil.rmtree(folder)

    def image(self, name: str, *, layers: int = 1, size: int = 2 << 20) -> Path:
        """A docker-archive of random bytes, which no compression makes smaller; the same name gives the same image."""
        path = self.folder / f"{name}.tar"
        if not path.exists():
            chance = random.Random(name)
            whole = archive([packed([Item("file", chance.randbytes(size))]) for _ in range(layers)])
            fresh = Path(tempfile.mkstemp(dir=self.folder)[1])
            fresh.write_bytes(opener(whole)().read())
            fresh.rename(path)
        return path


def at_home(stage: Stage) -> dict[str, str]:
    """The environment of a push, whose home holds the password and whose folder for temporary files is empty."""
    home, temporary = stage.folder / "home", stage.folder / "temporary"
    (home / ".docker").mkdir(parents=True, exist_ok=True)
    temporary.mkdir(exist_ok=True)
    pair = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    (home / ".docker/config.json").write_text(json.dumps({"auths": {stage.proxy.host: {"auth": pair}}}))
    return environ(home, temporary)


def start(stage: Stage, tool: Tool = FLAKESHIP) -> Running:
    """Begin the push, in a session of its own."""
    given = at_home(stage)
    process = subprocess.Popen(
        tool.push(stage.image, stage.reference),
        cwd=stage.folder,
        env=given,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    return Running(stage, process, Path(given["TMPDIR"]))


def open_sessions(stage: Stage) -> int:
    """Sessions that nobody ended, but could have.

    docker-registry answers 404 for a session whose PATCH broke, until it purges it: such a one can't be ended.
    """
    gone = sum(entry.status == 404 for entry in stage.proxy.of("DELETE"))
    return max(0, len(stage.registry.open_uploads(stage.repository)) - gone)


def shown(stage: Stage, said: str) -> list[str]:
    """The secrets that stand in what was said: the password in any spelling, and every token that came by."""
    pair = f"{USERNAME}:{PASSWORD}"
    spellings = {
        "password": PASSWORD,
        "quoted password": urllib.parse.quote(PASSWORD, safe=""),
        "base64 of the password": base64.b64encode(PASSWORD.encode()).decode(),
        "base64 of both": base64.b64encode(pair.encode()).decode(),
    }
    tokens = {
        entry.headers.get("Authorization", "").partition(" ")[2] for entry in list(stage.proxy.requests)
    }
    return [
        *(name for name, spelling in spellings.items() if spelling in said),
        *("token" for token in tokens if token and token in said),
    ]


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Bench]:
    """Start the registry and its token server."""
    (folder / "tokens").mkdir(parents=True)
    with token_server(folder / "tokens", username=USERNAME, password=PASSWORD) as tokens:
        auth: Mapping[str, Mapping[str, str]] = {"token": tokens.registry_config()}
        with serve(folder / "registry", auth=dict(auth)) as registry:
            registry.username, registry.password, registry.tokens = USERNAME, PASSWORD, tokens
            yield Bench(registry, tokens, folder)


@contextlib.contextmanager
def opened_at(crane: Sequence[str], folder: Path) -> Iterator[Bench]:
    """Start `crane registry serve`, which asks for no token and keeps all in memory: of its sessions nothing is seen."""
    folder.mkdir(parents=True)
    command = [*crane, "registry", "serve", "--address", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            assert server.stdout
            port = next(hit[1] for line in server.stdout if (hit := re.search(r"port (\d+)", line)))
            threading.Thread(
                target=server.stdout.read, daemon=True
            ).start()  # or it stops when the pipe is full
            yield Bench(Registry(f"127.0.0.1:{port}", folder / "unseen", folder), None, folder)
        finally:
            server.kill()
