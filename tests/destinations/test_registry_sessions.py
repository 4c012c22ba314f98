"""Upload sessions of a run that ends before its time: none stays open at a registry that answers, and none is waited for long."""

from __future__ import annotations

import contextlib
import itertools
import ssl
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from flakeship.cancellation import Cancelled
from flakeship.destinations.options import PushOptions
from flakeship.destinations.protocol import DeliveredBlob, Interruptible
from flakeship.destinations.registry import opening
from flakeship.destinations.registry.blobs import Blob, BlobUploads
from flakeship.destinations.registry.destination import RegistryDestination
from flakeship.destinations.registry.sessions import EndedError, Grace
from flakeship.errors import Error, ResourceError
from flakeship.events import Retry
from flakeship.http.clock import Clock
from flakeship.http.transport import Transport
from flakeship.image.model import Digest
from flakeship.registry.client import RegistryClient
from flakeship.registry.credential_search import FoundCredentials
from flakeship.registry.reference import Reference
from tests.destinations.pushing import Pusher
from tests.destinations.scripted_registry import ScriptedRegistry, scripted_registry
from tests.images import opener, random_packed
from tests.testbed.registry import FaultProxy, Registry
from tests.testbed.registry_tls import write_certificate

LONG: Final = Grace(10, 20)
"""Nothing of it is waited for: a test that needs it fails."""

SHORT: Final = Grace(0.01, 10)
"""What is being sent is cut at once; the rest is waited for."""

NONE: Final = Grace(0, 0.01)
_BLOB: Final = b"x" * 3_000_000


@pytest.fixture
def scripted() -> Iterator[ScriptedRegistry]:
    with scripted_registry() as registry:
        yield registry


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(4)
    yield pool
    pool.shutdown(wait=False, cancel_futures=True)


def uploads(pusher: Pusher, host: str) -> BlobUploads:
    return BlobUploads(pusher.client(host, "a"), mount_from=(), emit=pusher.events.append)


def blob(number: int = 0) -> Blob:
    return Blob(Digest(f"sha256:{number:064x}"), len(_BLOB), opener(_BLOB), "a layer")


def ensured(pool: ThreadPoolExecutor, those: BlobUploads, number: int = 0) -> Future[str]:
    return pool.submit(lambda: str(those.ensure(blob(number), believe=False)))


def test_one_that_is_opened_while_the_run_ends_is_deleted(
    scripted: ScriptedRegistry, pusher: Pusher, pool: ThreadPoolExecutor
) -> None:
    """The registry answers the POST later than the end has begun."""
    scripted.held = {"POST"}
    those = uploads(pusher, scripted.host)
    worker = ensured(pool, those)
    assert scripted.arrived.acquire(timeout=10)
    those.begin_end()
    scripted.released.set()
    those.finish_end(LONG)
    assert scripted.asked[-2:] == ["POST", "DELETE"]
    assert not scripted.sessions
    assert isinstance(worker.exception(10), EndedError)


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_one_that_is_being_sent_to_is_cut_and_deleted(
    scripted: ScriptedRegistry, pusher: Pusher, pool: ThreadPoolExecutor, method: str
) -> None:
    """The registry reads and answers no more; the connection of the DELETE is another one."""
    scripted.held = {method}
    those = uploads(pusher, scripted.host)
    workers = [ensured(pool, those, number) for number in range(2)]
    for _ in workers:
        assert scripted.arrived.acquire(timeout=10)
    those.finish_end(SHORT)
    assert not scripted.sessions
    assert scripted.asked.count("DELETE") == 2
    assert all(isinstance(worker.exception(10), EndedError) for worker in workers)
    assert not pusher.of(Retry)


def test_a_connection_of_tls_is_cut_too(pusher: Pusher, pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    """Nothing of the body goes over the line in clear, which a TLS socket does that is shut down by its own method."""
    certificate, key = write_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with scripted_registry(tls) as registry:
        registry.held = {"PATCH"}
        client = RegistryClient(pusher.transport(ca=str(certificate)), registry.host, "a", None)
        those = BlobUploads(client, mount_from=(), emit=pusher.events.append)
        worker = ensured(pool, those)
        assert registry.arrived.acquire(timeout=10)
        those.finish_end(SHORT)
        assert not registry.sessions
        assert isinstance(worker.exception(10), EndedError)


def test_what_is_sent_in_time_is_not_cut(
    scripted: ScriptedRegistry, pusher: Pusher, pool: ThreadPoolExecutor
) -> None:
    """docker-registry can't delete a session whose PATCH broke: it keeps it for a week."""
    scripted.held = {"PATCH"}
    those = uploads(pusher, scripted.host)
    worker = ensured(pool, those)
    assert scripted.arrived.acquire(timeout=10)
    those.begin_end()
    scripted.released.set()
    those.finish_end(LONG)
    assert scripted.asked[-2:] == ["PATCH", "DELETE"]
    assert isinstance(worker.exception(10), EndedError)


def test_a_commit_that_comes_through_leaves_nothing_to_delete(
    scripted: ScriptedRegistry, pusher: Pusher, pool: ThreadPoolExecutor
) -> None:
    scripted.held = {"PUT"}
    those = uploads(pusher, scripted.host)
    worker = ensured(pool, those)
    assert scripted.arrived.acquire(timeout=10)
    those.begin_end()
    scripted.released.set()
    those.finish_end(LONG)
    assert (worker.result(10), scripted.asked[-1], scripted.sessions) == ("uploaded", "PUT", set())


def test_one_that_waits_for_another_try_is_deleted_without_its_thread(
    scripted: ScriptedRegistry, pool: ThreadPoolExecutor, pusher: Pusher
) -> None:
    """And in spite of the pause that the registry has asked for: there is no later."""
    asleep, wake = Future[None](), Future[None]()

    def sleep(_: float) -> None:
        asleep.set_result(None)
        wake.result(20)

    clock = Clock(now=lambda: 0.0, sleep=sleep, random=lambda: 0.5)
    scripted.answers = {"PATCH": 503}
    with Transport(ca=None, plain_http=(), environ={}, emit=pusher.events.append, clock=clock) as transport:
        client = RegistryClient(transport, scripted.host, "a", None)
        those = BlobUploads(client, mount_from=(), emit=pusher.events.append)
        worker = ensured(pool, those)
        asleep.result(10)
        transport.hurry()
        those.finish_end(LONG)
        assert not scripted.sessions
        wake.set_result(None)
        assert isinstance(worker.exception(10), EndedError)
        assert scripted.asked[-1] == "DELETE"


@pytest.mark.parametrize("status", [200, 202, 400, 401, 403, 404, 405, 500])
def test_whatever_a_registry_answers_the_run_goes_on_to_end(
    scripted: ScriptedRegistry, pusher: Pusher, pool: ThreadPoolExecutor, status: int
) -> None:
    scripted.held, scripted.answers = {"PATCH"}, {"DELETE": status}
    those = uploads(pusher, scripted.host)
    worker = ensured(pool, those)
    assert scripted.arrived.acquire(timeout=10)
    those.finish_end(SHORT)
    assert scripted.asked.count("DELETE") == 1
    assert isinstance(worker.exception(10), EndedError)


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_registry_that_keeps_silent_is_not_waited_for(
    scripted: ScriptedRegistry, pusher: Pusher, pool: ThreadPoolExecutor, method: str
) -> None:
    """That this comes to its end at all shows it."""
    scripted.held = {method} | ({"PATCH"} if method == "DELETE" else set())
    those = uploads(pusher, scripted.host)
    ensured(pool, those)
    assert scripted.arrived.acquire(timeout=10)
    those.finish_end(NONE)
    assert not scripted.released.is_set()


def test_nothing_is_opened_after_the_end(scripted: ScriptedRegistry, pusher: Pusher) -> None:
    those = uploads(pusher, scripted.host)
    those.finish_end(LONG)
    for action in (those.check, lambda: those.ensure(blob()), lambda: those.ensure(blob(), believe=False)):
        with pytest.raises(EndedError):
            action()
    assert not scripted.asked


def test_a_check_leaves_no_session(scripted: ScriptedRegistry, pusher: Pusher) -> None:
    those = uploads(pusher, scripted.host)
    those.check()
    those.finish_end(LONG)
    assert scripted.asked[-2:] == ["POST", "DELETE"]
    assert not scripted.sessions


def test_a_destination_that_can_be_interrupted_says_so(pusher: Pusher) -> None:
    assert isinstance(pusher.destination("localhost:1", "a"), Interruptible)


def begun(
    destination: RegistryDestination, seed: int, pool: ThreadPoolExecutor, *, layers: int = 3
) -> list[Future[DeliveredBlob]]:
    packed = random_packed(seed, layers=layers, size=200_000)
    return [pool.submit(destination.take, layer) for layer in packed.layers]


@pytest.mark.parametrize("error", [None, ResourceError("full", hint="none"), Cancelled(15)])
def test_however_a_destination_is_left_none_of_its_sessions_stays_open(
    scripted: ScriptedRegistry,
    pusher: Pusher,
    pool: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException | None,
) -> None:
    """Left in peace too: a source may have been given up for another while its layers were being sent."""
    destination = pusher.destination(scripted.host, "a")
    monkeypatch.setattr(opening, "_destination", lambda *_: destination)
    monkeypatch.setattr(opening, "AFTER_ERROR", SHORT)
    monkeypatch.setattr(opening, "AFTER_SIGNAL", SHORT)
    registry: Any = SimpleNamespace(
        credentials=lambda _: FoundCredentials(None, "nowhere"), given_to_job=lambda _: False
    )
    push = PushOptions(policy="true", untrusted="", secrets_kept="", without_credentials="")
    options: Any = SimpleNamespace(registry=registry, push=push, dry_run=False, emit=pusher.events.append)

    def leave() -> None:
        with opening.opened(Reference.parse(f"{scripted.host}/a"), (), options) as place:
            scripted.held = {"PATCH"}
            pool.submit(place.take, random_packed(73).layers[0])
            assert scripted.arrived.acquire(timeout=10)
            if error:
                raise error

    with pytest.raises(type(error)) if error else contextlib.nullcontext():
        leave()
    assert scripted.asked.count("DELETE") == 2, "that of the check, and this one"
    assert not scripted.sessions


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path", "passes"),
    [
        ("POST", "/blobs/uploads/", True),
        ("PATCH", "/blobs/uploads/", True),
        ("PATCH", "/blobs/uploads/", False),
        ("PUT", "/blobs/uploads/", False),
        ("HEAD", "/blobs/sha256:", True),
    ],
)
def test_no_session_stays_open_in_a_real_registry(  # noqa: PLR0917 - what is tried, and the fixtures
    method: str,
    path: str,
    passes: bool,
    registry: Registry,
    proxy: FaultProxy,
    pusher: Pusher,
    pool: ThreadPoolExecutor,
) -> None:
    """Three layers are on their way, of which one is held at this request when the run ends. Where it is cut off it is alone,
    for a session whose PATCH broke is one that docker-registry can't delete.
    """
    repository = registry.new_repository()
    destination = pusher.destination(proxy.host, repository)
    hold = proxy.hold_next(method, f"{repository}{path}")
    futures = begun(destination, 71, pool, layers=3 if passes else 1)
    assert hold.arrived.wait(10)
    destination.interrupt()
    if passes:
        hold.let_pass()
    destination.end(LONG if passes else Grace(0.05, 10))
    assert registry.open_uploads(repository) == []
    hold.drop()
    assert all(future.exception(10) is None or isinstance(future.exception(), Error) for future in futures)


@pytest.mark.slow
def test_a_worker_that_fails_leaves_no_session_of_the_others(
    registry: Registry, proxy: FaultProxy, pusher: Pusher, pool: ThreadPoolExecutor
) -> None:
    repository = registry.new_repository()
    destination = pusher.destination(proxy.host, repository)
    held = [proxy.hold_next("PATCH", repository) for _ in range(2)]
    proxy.fail_next("PATCH", repository, status=403)
    futures = begun(destination, 72, pool)
    assert all(hold.arrived.wait(10) for hold in held)
    failed = next(future for future in itertools.cycle(futures) if future.done())
    assert "403" in str(failed.exception())
    assert len(registry.open_uploads(repository)) == 2
    destination.end(Grace(0.05, 10))
    assert registry.open_uploads(repository) == []
