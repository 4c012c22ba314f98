"""What registries do to a cache: refuse, forget, redirect, stay silent. Behind the fault proxy, or with one in memory."""

from __future__ import annotations

import io
import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from flakeship.caches.packs.blocks import Blocks
from flakeship.caches.packs.repository import read_root
from flakeship.caches.packs.verifying import verify
from flakeship.errors import Error, UnreachableError
from flakeship.events import Warned
from flakeship.image.model import digest_of
from flakeship.registry.credentials import Credentials
from tests.caches.packs.scene import BRANCH, MAIN, Scene, holds, some_paths
from tests.caches.packs.test_pruning_beside_writers import pruned
from tests.testbed.registry import FaultProxy, Registry
from tests.testbed.registry_faults import LONGEST_HOLD
from tests.testbed.registry_memory import MemoryRegistry, memory_registry

pytestmark = pytest.mark.slow
PATHS = some_paths(4)
MORE = some_paths(2, seed="more")
BLOB = r"/blobs/sha256"


@pytest.fixture
def memory() -> Iterator[MemoryRegistry]:
    with memory_registry() as running:
        yield running


def test_a_registry_that_gives_no_parts_is_asked_for_whole_packs(
    scene: Scene, memory: MemoryRegistry
) -> None:
    """It answers 200 with all of it: each pack is fetched once."""
    repository = scene.registry(memory.host, "a/cache")
    scene.write(repository, PATHS)
    scene.write(repository, MORE)
    begun = len(memory.accesses("/blobs/"))
    cache = scene.cache(repository)
    assert holds(cache, {**PATHS, **MORE}) == [*PATHS, *MORE]
    assert len(memory.accesses("/blobs/")) - begun == 1 + 1 + 2, "the index, a refusal, two packs"
    assert not list(scene.folder.iterdir())


@pytest.mark.parametrize("status", [416, 501])
def test_a_refused_range_is_answered_by_the_whole_pack(
    scene: Scene, proxy: FaultProxy, registry: Registry, status: int
) -> None:
    repository = scene.registry(proxy.host, registry.new_repository())
    scene.write(repository, PATHS)
    cache = scene.cache(repository)
    proxy.fail_next("GET", BLOB, status=status)
    assert holds(cache, PATHS) == list(PATHS)
    assert not scene.warnings


@pytest.mark.parametrize("fault", ["reset", "status", "flip"])
def test_one_fault_on_the_way_costs_another_request(
    scene: Scene, proxy: FaultProxy, registry: Registry, fault: str
) -> None:
    repository = scene.registry(proxy.host, registry.new_repository())
    scene.write(repository, PATHS)
    cache = scene.cache(repository)
    match fault:
        case "reset":
            proxy.reset_next("GET", BLOB)
        case "status":
            proxy.fail_next("GET", BLOB, status=503)
        case _:
            proxy.change_next(
                "GET",
                BLOB,
                lambda answer: replace(answer, body=answer.body[:40] + b"\0\0" + answer.body[42:]),
            )
    assert holds(cache, PATHS) == list(PATHS)
    assert not scene.warnings
    assert not proxy.pending


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_a_refusal_leaves_the_cache_out(
    scene: Scene, proxy: FaultProxy, registry: Registry, status: int
) -> None:
    repository = scene.registry(proxy.host, registry.new_repository())
    scene.write(repository, PATHS)
    proxy.fail_next("GET", "/manifests/", status=status, times=99, headers={"Retry-After": "3"})
    assert holds(scene.cache(repository, BRANCH, MAIN, patience=60), PATHS) == []
    assert scene.warnings
    assert f"is left out: GET http://{proxy.host}/v2/" in scene.warnings[0]
    assert f"was answered {status}" in scene.warnings[0]


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_a_refusal_while_it_is_read_ends_its_use(
    scene: Scene, proxy: FaultProxy, registry: Registry, status: int
) -> None:
    repository = scene.registry(proxy.host, registry.new_repository())
    scene.write(repository, PATHS)
    cache = scene.cache(repository)
    proxy.fail_next("GET", BLOB, status=status, times=99)
    assert holds(cache, PATHS) == []
    assert len(scene.warnings) == 1
    assert "is not used any more" in scene.warnings[0]
    assert len(proxy.of("GET", "/blobs/")) <= 1 + 3, "the index, and the tries of the first frame"


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><title>Log in</title>", b""], ids=["of a login", "empty"])
def test_a_page_in_place_of_a_manifest_is_no_damaged_root(
    scene: Scene, proxy: FaultProxy, registry: Registry, page: bytes
) -> None:
    """Whatever stands before the registry sent it: nothing is written over the root, and `prune` does not remove it."""
    repository = scene.registry(proxy.host, registry.new_repository())
    scene.write(repository, PATHS)
    proxy.fail_next(
        "GET", "/manifests/", status=200, times=99, body=page, headers={"Content-Type": "text/html"}
    )
    cache = scene.cache(repository)
    assert cache.unreachable
    assert holds(cache, PATHS) == []
    (warning,) = scene.warnings
    assert warning.endswith(f"{repository.name}:{MAIN.tag} was answered with something else than a manifest")
    with pytest.raises(UnreachableError):
        pruned(scene, repository)
    proxy.clear()
    assert holds(scene.cache(repository), PATHS) == list(PATHS)


def test_an_index_that_the_registry_damaged_is_written_anew(scene: Scene, memory: MemoryRegistry) -> None:
    """It is another one each time it is read, so that the registry is not taken for one that is down."""
    repository = scene.registry(memory.host, "a/cache")
    scene.write(repository, PATHS)
    root = read_root(repository, MAIN.tag)
    assert root
    digest, size = root.manifest.index
    memory.blobs["a/cache", digest] = bytes(size)
    assert "is damaged" in verify(repository, scene.folder).problems[0]
    cache = scene.cache(repository)
    assert not cache.unreachable
    assert "is damaged" in scene.warnings[0]
    scene.now += 1
    scene.write(repository, MORE, after=cache)
    assert holds(scene.cache(repository), MORE) == list(MORE)


def test_a_tag_that_can_not_be_moved_is_told_with_what_to_do(
    scene: Scene, proxy: FaultProxy, registry: Registry
) -> None:
    repository = scene.registry(proxy.host, registry.new_repository())
    body = (
        b'{"errors":[{"code":"TAG_INVALID","message":"the tag already exists and can not be overwritten"}]}'
    )
    proxy.fail_next("PUT", "/manifests/", status=400, body=body)
    scene.write(repository, PATHS)
    (warned,) = (event for event in scene.events if isinstance(event, Warned))
    assert warned.hint.startswith("let tags of that repository be overwritten")


def test_a_pack_that_the_registry_lost(scene: Scene, registry: Registry) -> None:
    name = registry.new_repository()
    repository = scene.registry(registry.host, name)
    scene.write(repository, PATHS)
    root = read_root(repository, MAIN.tag)
    assert root
    scene.write(repository, MORE)
    [lost] = root.index.packs
    assert registry.request("DELETE", f"{name}/blobs/{lost}", repository=name).status_code == 202
    cache = scene.cache(repository)
    assert holds(cache, {**PATHS, **MORE}) == list(MORE)
    assert "lacks a pack" in scene.warnings[0]
    written = scene.write(repository, some_paths(1, seed="new"))
    assert written
    assert written.all_paths == len(MORE) + 1


def test_silence_is_waited_for_once(scene: Scene, proxy: FaultProxy, registry: Registry) -> None:
    repository = scene.registry(proxy.host, registry.new_repository())
    scene.write(repository, PATHS)
    held = [proxy.hold_next("GET", "/manifests/") for _ in range(4)]
    begun = time.monotonic()
    assert holds(scene.cache(repository, BRANCH, MAIN, patience=0.5), PATHS) == []
    assert time.monotonic() - begun < LONGEST_HOLD / 2
    assert scene.warnings == [
        f"the cache {repository.name} is left out: it did not answer within 0.5 seconds"
    ]
    for each in held:
        each.drop()


def test_silence_while_it_is_read(
    scene: Scene, proxy: FaultProxy, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flakeship.caches.packs.blocks.PATIENCE", 0.5)
    repository = scene.registry(proxy.host, registry.new_repository())
    scene.write(repository, PATHS)
    cache = scene.cache(repository)
    held = [proxy.hold_next("GET", BLOB) for _ in range(4)]
    begun = time.monotonic()
    assert holds(cache, PATHS) == []
    assert time.monotonic() - begun < LONGEST_HOLD / 2
    assert len(scene.warnings) == 1
    for each in held:
        each.drop()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((413, b""), "was answered 413"),
        ((507, b""), "was answered 507"),
        ((403, b'{"errors":[{"code":"DENIED","message":"quota exceeded"}]}'), "quota exceeded"),
        ((401, b""), "was answered 401"),
        ((404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}'), "there can be no repository"),
        ((400, b'{"errors":[{"code":"NAME_INVALID"}]}'), "there can be no repository"),
    ],
    ids=["too large", "full", "quota", "credentials", "no repository", "no nested names"],
)
def test_a_refused_upload_ends_the_writing_and_nothing_else(
    scene: Scene, proxy: FaultProxy, registry: Registry, answer: tuple[int, bytes], reason: str
) -> None:
    status, body = answer
    repository = scene.registry(proxy.host, registry.new_repository())
    headers = {"Content-Type": "application/json"}
    proxy.fail_next("PATCH", "/blobs/uploads/", status=status, times=99, body=body, headers=headers)
    proxy.fail_next("PUT", "/blobs/uploads/", status=status, times=99, body=body, headers=headers)
    assert scene.write(repository, PATHS) is None
    assert len(scene.warnings) == 1
    assert scene.warnings[0].startswith(f"not all of this build is kept in the cache {repository.name}: ")
    assert reason in scene.warnings[0]
    assert not registry.tags(repository.name.partition("/")[2])


@pytest.mark.parametrize("taken", ["/blobs/uploads/", "/manifests/"], ids=["blobs", "the manifest"])
def test_what_is_answered_with_a_page_is_not_taken(
    scene: Scene, proxy: FaultProxy, registry: Registry, taken: str
) -> None:
    """The page comes with a status that says that all is well, and no other run is blamed for it."""
    repository = scene.registry(proxy.host, registry.new_repository())
    for method in ("PATCH", "PUT"):
        proxy.fail_next(method, taken, status=201, times=99, body=b"<!DOCTYPE html>")
    assert scene.write(repository, PATHS) is None
    (warning,) = scene.warnings
    assert warning.startswith(f"not all of this build is kept in the cache {repository.name}: ")
    assert warning.endswith(f": {repository.name} does not have what it answered that it took")
    proxy.clear()
    assert scene.write(repository, PATHS)
    assert holds(scene.cache(repository), PATHS) == list(PATHS)


def test_a_registry_that_breaks_off_each_time_does_not_move(
    scene: Scene, proxy: FaultProxy, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes all bytes of each try: after the second one they show no more that something moves, so that a run waits no longer."""
    counted = itertools.count()
    repository = scene.registry(proxy.host, registry.new_repository())
    proxy.fail_next("PUT", "/blobs/uploads/", status=503, times=99)
    clock = SimpleNamespace(monotonic=lambda: float(next(counted)))
    monkeypatch.setattr("flakeship.caches.packs.registry.time", clock)
    data = bytes(1000)
    with pytest.raises(Error):
        repository.upload(digest_of(data), len(data), lambda: io.BytesIO(data))
    assert len(proxy.of("PUT", "/blobs/uploads/")) == 6
    assert next(counted) == 2


def test_credentials_that_are_wrong(scene: Scene, basic_registry: Registry) -> None:
    name = basic_registry.new_repository()
    wrong = scene.registry(basic_registry.host, name, login=Credentials("nobody", "wrong"))
    assert holds(scene.cache(wrong), PATHS) == []
    assert scene.write(wrong, PATHS) is None
    assert len(scene.warnings) == 2
    right = scene.registry(
        basic_registry.host, name, login=Credentials(basic_registry.username, basic_registry.password)
    )
    assert scene.write(right, PATHS)
    assert holds(scene.cache(right), PATHS) == list(PATHS)


def test_a_signal_leaves_what_was_there(scene: Scene, proxy: FaultProxy, registry: Registry) -> None:
    repository = scene.registry(proxy.host, registry.new_repository())
    scene.write(repository, PATHS)
    before = repository.manifest(MAIN.tag)
    held = proxy.hold_next("PUT", "/blobs/uploads/")
    begun = time.monotonic()
    assert scene.write(repository, MORE, seconds=2) is None
    assert time.monotonic() - begun < LONGEST_HOLD / 2
    held.drop()
    assert repository.manifest(MAIN.tag) == before
    assert len(scene.warnings) == 1


def test_an_answer_that_got_lost_is_read_back(scene: Scene, proxy: FaultProxy, registry: Registry) -> None:
    repository = scene.registry(proxy.host, registry.new_repository())
    proxy.lose_response("PUT", "/manifests/")
    assert scene.write(repository, PATHS)
    assert holds(scene.cache(repository), PATHS) == list(PATHS)


def test_what_another_run_wrote_meanwhile_is_kept(
    scene: Scene, proxy: FaultProxy, registry: Registry
) -> None:
    """It comes between the reading and the writing of this run."""
    name = registry.new_repository()
    other = scene.registry(registry.host, name)
    slow = scene.registry(proxy.host, name)
    scene.write(other, some_paths(1, seed="first"))
    held = proxy.hold_next("HEAD", "/blobs/", skip=1)  # of the index, when the root was read
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(scene.write(slow, PATHS)))
    thread.start()
    assert held.arrived.wait(20)
    scene.write(other, MORE)
    held.let_pass()
    thread.join(30)
    assert done[0]
    assert holds(scene.cache(other), {**PATHS, **MORE}) == [*PATHS, *MORE]


class _Storage(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        storage: Any = self.server
        storage.asked.append(self.path)
        expired = f"?{storage.token}" not in self.path
        data = storage.registry.blob(storage.name, self.path.partition("?")[0].removeprefix("/"))
        hit = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        assert data
        assert "Authorization" not in self.headers
        part = data[int(hit[1]) : int(hit[2]) + 1] if hit else data
        body = b"expired" if expired else part
        self.send_response(storage.refusal if expired else 206 if hit else 200)
        self.send_header("Content-Length", str(len(body)))
        if hit and not expired:
            self.send_header("Content-Range", f"bytes {hit[1]}-{hit[2]}/{len(data)}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def storage_of(registry: Registry, name: str, refusal: int) -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Storage)
    server.registry, server.name, server.refusal = registry, name, refusal
    server.asked, server.token = [], "first"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("refusal", [401, 403, 400])
def test_a_redirect_is_remembered_and_renewed(
    scene: Scene, proxy: FaultProxy, registry: Registry, refusal: int
) -> None:
    """No registry here redirects to a storage, as GHCR does for five minutes: a server of a few lines is one."""
    name = registry.new_repository()
    paths = some_paths(3, size=3000)
    scene.write(scene.registry(registry.host, name), paths)
    with storage_of(registry, name, refusal) as storage:

        def location() -> dict[str, str]:
            return {"Location": f"http://127.0.0.1:{storage.server_port}/{pack}?{storage.token}"}

        repository = scene.registry(proxy.host, name)
        root = read_root(repository, MAIN.tag)
        assert root
        blocks = Blocks(repository, scene.folder, block=1000, longest=1)
        [(pack, size)] = root.index.packs.items()
        proxy.fail_next("GET", BLOB, status=307, headers=location())
        first = b"".join(blocks.part(pack, size, 0, 1000).pieces())
        second = b"".join(blocks.part(pack, size, 1000, 1000).pieces())
        assert len(storage.asked) == 2
        storage.token = "second"
        proxy.fail_next("GET", BLOB, status=307, headers=location())
        third = b"".join(blocks.part(pack, size, 2000, 1500).pieces())
        assert not proxy.pending
        assert first + second + third == (registry.blob(name, pack) or b"")[:3500]
        assert len([entry for entry in proxy.of("GET", pack) if entry.status == 307]) == 2
        blocks.close()


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/blobs/uploads/"), ("PUT", "/blobs/uploads/"), ("PUT", "/manifests/"), ("GET", "/blobs/")],
)
def test_a_token_that_expires_in_the_middle_is_renewed(
    scene: Scene,
    token_registry: Registry,
    proxy_to: Callable[[str], FaultProxy],
    *,
    method: str,
    path: str,
) -> None:
    """A build may take longer than a token lives: the registry answers 401 to one it has taken before."""
    tokens, proxy, name = (
        token_registry.tokens,
        proxy_to(token_registry.host),
        token_registry.new_repository(),
    )
    assert tokens
    challenge = f'Bearer realm="http://{tokens.host}/token",service="fixture-registry",scope="repository:{name}:pull,push,delete"'
    repository = scene.registry(
        proxy.host, name, login=Credentials(token_registry.username, token_registry.password)
    )
    assert scene.write(repository, PATHS)
    before = len(tokens.requests)
    proxy.fail_next(
        method,
        path,
        status=401,
        headers={"WWW-Authenticate": challenge, "Content-Type": "application/json"},
        body=b'{"errors":[{"code":"UNAUTHORIZED","message":"token is expired"}]}',
    )
    assert scene.write(repository, MORE)
    assert holds(scene.cache(repository), {**PATHS, **MORE}) == [*PATHS, *MORE]
    assert len(tokens.requests) == before + 1
    assert not scene.warnings
