"""The server itself: who may read it, what it refuses, and that it is gone with the run."""

from __future__ import annotations

import contextlib
import hashlib
import io
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_mock import MockerFixture

from flakeship.caches import CacheInputs, opened
from flakeship.caches.loopback.served import OwnCache
from flakeship.caches.loopback.server import Loopback
from flakeship.caches.nar_entry import NarEntry, narinfo_of
from flakeship.caches.nar_sources import sources_of
from flakeship.caches.plan import OwnNars
from flakeship.cancellation import Cancelled
from flakeship.events import Secret
from flakeship.image.stream import Reader
from flakeship.nix.command import Nix
from tests.caches.asking import ask
from tests.caches.conftest import EventRecord, SignedCache, tools_of

HASH: Final = "0" * 32
NAR: Final = bytes(range(256)) * 4000
ENTRY: Final = NarEntry(
    path=f"/nix/store/{HASH}-x",
    nar_hash=bytes(32),
    nar_size=1,
    frame=hashlib.sha256(NAR).digest(),
    frame_size=len(NAR),
)


class Shelf:
    """A cache of ours with one path. `broken` breaks its NAR off in the middle."""

    name, has_warned = "the shelf", False

    def __init__(self, *, raises: bool = False, broken: bool = False) -> None:
        self.raises, self.broken = raises, broken
        self.expected: list[str] = []

    def entry(self, hash_part: str) -> NarEntry | None:
        if self.raises:
            raise RuntimeError(hash_part)
        return ENTRY if hash_part == HASH else None

    @contextlib.contextmanager
    def open(self, entry: NarEntry) -> Iterator[Reader]:
        assert entry == ENTRY
        yield io.BytesIO(NAR[: len(NAR) // 2] if self.broken else NAR)

    def expect(self, hash_part: str) -> None:
        self.expected.append(hash_part)

    def lose(self, hash_part: str) -> None:
        pytest.fail(f"nobody reads {hash_part} without Nix")

    def use(self, hash_part: str) -> None:
        pytest.fail(f"nobody looks at {hash_part} without Nix")


@pytest.fixture
def server() -> Iterator[Loopback]:
    loopback = Loopback()
    yield loopback
    loopback.close()


def raw(server: Loopback, request: bytes, *, ends: bool = False) -> bytes:
    """Send bytes, to which there are no more if it `ends`; return all that comes until the server closes the connection."""
    with socket.create_connection(
        ("127.0.0.1", int(server.url.split(":")[2].split("/")[0])), timeout=10
    ) as line:
        line.sendall(request)
        if ends:
            line.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: line.recv(65536), b""))


def test_our_own_cache_is_served(server: Loopback) -> None:
    url = server.serve(0, OwnCache(Shelf()))
    assert url == f"{server.url}/0"
    assert ask(f"{url}/nix-cache-info") == (200, b"StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n")
    narinfo = narinfo_of(ENTRY, f"nar/{HASH}.nar.zst")
    assert ask(f"{url}/{HASH}.narinfo") == (200, narinfo)
    assert ask(f"{url}/{HASH}.narinfo", "HEAD") == (200, b"")
    assert ask(f"{url}/nar/{HASH}.nar.zst") == (200, NAR)
    assert ask(f"{url}/nar/{HASH}.nar.zst", Range="bytes=1000-") == (206, NAR[1000:])
    assert ask(f"{url}/nar/{HASH}.nar.zst", Range=f"bytes={len(NAR)}-")[0] == 416


@pytest.mark.parametrize(
    "path",
    [
        f"{'1' * 32}.narinfo",
        f"nar/{'1' * 32}.nar.zst",
        "nar/../nix-cache-info",
        "log/x.drv",
        "realisations/x.doi",
        "build-trace-v2/x",
        "",
    ],
)
def test_all_else_is_not_there(server: Loopback, path: str) -> None:
    url = server.serve(0, OwnCache(Shelf()))
    assert ask(f"{url}/{path}") == (404, b"")
    assert ask(f"{server.url}/1/nix-cache-info") == (404, b"")


def test_who_does_not_know_the_secret_reads_nothing(server: Loopback) -> None:
    assert len(server.secret) == 32
    url = server.serve(0, OwnCache(Shelf()))
    for secret in ("", "x", server.secret[:-1], server.secret.upper() + "x"):
        assert ask(f"{url.replace(server.secret, secret)}/nix-cache-info") == (404, b"")


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "OPTIONS", "CONNECT"])
def test_nobody_writes(server: Loopback, method: str) -> None:
    """Also not Nix, which asks first whether it may: https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1."""
    url = server.serve(0, OwnCache(Shelf()))
    path = url.partition("/")[2].partition("/")[2].partition("/")[2]
    request = (
        f"{method} /{path}/x.narinfo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    )
    answer = raw(server, request.encode())
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"Allow: GET, HEAD\r\n" in answer


def test_connections_go_on(server: Loopback) -> None:
    url = server.serve(0, OwnCache(Shelf()))
    path = "/" + url.split("/", 3)[3]
    one = f"GET {path}/nix-cache-info HTTP/1.1\r\nHost: x\r\n\r\n"
    last = f"GET {path}/{HASH}.narinfo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answers = raw(server, (one * 3 + last).encode())
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 4
    assert raw(server, b"x" * 20_000) == b"", "a request without an end"


def test_what_fails_is_not_there_and_never_an_error(server: Loopback) -> None:
    url = server.serve(0, OwnCache(Shelf(raises=True)))
    assert ask(f"{url}/{HASH}.narinfo") == (404, b"")
    assert ask(f"{url}/nar/{HASH}.nar.zst") == (404, b"")


def test_a_body_that_breaks_off_is_seen_to_break_off(server: Loopback) -> None:
    url = server.serve(0, OwnCache(Shelf(broken=True)))
    path = "/" + url.split("/", 3)[3]
    answer = raw(server, f"GET {path}/nar/{HASH}.nar.zst HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(NAR)}".encode() in head
    assert len(body) == len(NAR) // 2
    assert server.broken == 1


def test_a_stranger_who_says_nothing_is_not_waited_for(server: Loopback, mocker: MockerFixture) -> None:
    """Else other users of the machine could take all connections."""
    mocker.patch("flakeship.caches.loopback.server._STRANGER_SECONDS", 0.1)
    began = time.monotonic()
    assert raw(server, b"GET /") == b""
    assert time.monotonic() - began < 9  # `raw` waits for ten


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"GET ", b"GET /", b"HEAD /x/0/nar/ HTTP/1.1\r\nRange: bytes="]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_request_breaks_the_server(server: Loopback, rest: bytes, begun: bytes) -> None:
    url = server.serve(0, OwnCache(Shelf()))
    answer = raw(server, begun + rest + b"\r\n\r\n", ends=True)
    assert not answer or answer.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 405 "))
    assert ask(f"{url}/{HASH}.narinfo", "HEAD") == (200, b"")


def test_the_server_listens_on_loopback_alone(server: Loopback) -> None:
    assert server._listener.getsockname()[0] == "127.0.0.1"


def is_reachable(url: str) -> bool:
    try:
        ask(f"{url}/nix-cache-info")
    except OSError:
        return False
    return True


@pytest.mark.slow
def test_it_is_gone_with_the_run_also_after_a_signal(
    nix: Nix, signed_cache: SignedCache, record: EventRecord, tmp_path: Path
) -> None:
    inputs = CacheInputs(substituters=(signed_cache.url,))
    urls: list[str] = []

    def run() -> None:
        with opened(inputs, tools_of(nix, record, tmp_path)) as plan:
            urls.extend(plan.substituters.names)
            assert is_reachable(urls[0])
            raise Cancelled(15)

    with pytest.raises(Cancelled):
        run()
    assert not is_reachable(urls[0])


@pytest.mark.slow
def test_its_secret_is_on_no_command_line_and_is_masked(
    nix: Nix, signed_cache: SignedCache, record: EventRecord, tmp_path: Path
) -> None:
    with opened(CacheInputs(substituters=(signed_cache.url,)), tools_of(nix, record, tmp_path)) as plan:
        (url,) = plan.substituters.names
        using = plan.applied(nix)
    secret = url.split("/")[3]
    assert [event.text for event in record.events if isinstance(event, Secret)] == [secret]
    assert secret not in " ".join(using.argv("build", "--", ".#x"))
    assert url in using.substituters.environ(nix.environ)["NIX_CONFIG"]


def test_it_keeps_no_process_alive() -> None:
    """A thread that waits for a cache must not hold up the end of a run."""
    code = (
        "import time; from flakeship.caches.loopback.server import Loopback; Loopback();"
        "from flakeship.caches.loopback.deadline import within\n"
        "try: within(0.05, lambda: time.sleep(30), print)\n"
        "except TimeoutError: print('late')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=20, check=True)
    assert done.stdout == b"late\n"


def test_what_nix_asks_about_is_expected_and_what_we_only_look_up_is_not(mocker: MockerFixture) -> None:
    """Of a closure that is looked up for an image most layers are never read."""
    for_nix, for_us = Shelf(), Shelf()
    assert OwnCache(for_nix, reads_ahead=True).narinfo(HASH)
    (source,) = sources_of([], [OwnNars(for_us, signed=False)], mocker.Mock())
    assert source.info(ENTRY.path, HASH)
    assert (for_nix.expected, for_us.expected) == ([HASH], [])
