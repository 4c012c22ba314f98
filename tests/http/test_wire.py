"""Every answer has an end: in bytes, in time that a clock of the test counts, and none that was cut is believed."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import random
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from flakeship.events import Event
from flakeship.http import pace
from flakeship.http.body import RequestBody
from flakeship.http.clock import Clock
from flakeship.http.errors import BrokenConnectionError, WireError
from flakeship.http.pace import PIECE, EndlessAnswerError, Pace
from flakeship.http.response import Response
from flakeship.http.wire import HEAD_LIMIT, Answer, Speaking
from flakeship.registry.errors import error_for
from tests.destinations.pushing import Pusher
from tests.http.scripted import Act, Scripted, answer, scripted
from tests.images import opener
from tests.testbed.registry_tls import write_certificate

DIGEST = f"sha256:{'1' * 64}"


def get(server: Scripted, pusher: Pusher, *, method: str = "GET") -> bytes:
    response = pusher.transport().exchange(method, f"http://{server.host}/x", headers={})
    return response.read()


def ignore(_: Event) -> None:
    pass


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel is looked at as often as it can be: time is what the clock of the test tells."""
    monkeypatch.setattr(pace, "SLICE", 0.0005)


# An answer that was cut


WHOLE = {
    "a length": answer(201, {"Location": "/v2/x", "Docker-Content-Digest": DIGEST}, b"12345"),
    "chunks": answer(
        200,
        {"Transfer-Encoding": "chunked", "Docker-Content-Digest": DIGEST},
        b"5;x=y\r\n12345\r\n0a\r\n0123456789\r\n0\r\nT: x\r\n\r\n",
        length=False,
    ),
    "an interim answer before it": answer(103, {"Link": "</x>"}, length=False) + answer(200, {}, b"12345"),
}


@pytest.mark.parametrize("what", WHOLE)
def test_an_answer_that_is_cut_anywhere_is_a_failure_of_the_network(what: str, pusher: Pusher) -> None:
    """A cut digest would be another digest, a cut Location another place, and 0 of 0a the end of a body."""
    whole = WHOLE[what]
    last = whole.find(b"\r\n0\r\n")
    complete = last + 5 if last > 0 else len(whole)  # what follows the last chunk tells nothing that is read
    cuts = [cut for cut in range(complete) if cut < complete]
    with scripted(*(closing(whole[:cut]) for cut in cuts)) as server:
        transport = pusher.transport()
        for cut in cuts:
            with pytest.raises(WireError) as raised:
                transport.exchange("GET", f"http://{server.host}/{cut}", headers={}).read()
            assert raised.value.transient, whole[:cut]
    assert len(server.requests) == len(cuts)


def closing(data: bytes) -> Act:
    """Send these bytes and end the connection, whatever they say."""

    def act(connection: socket.socket) -> None:
        connection.sendall(data)

    return act


@pytest.mark.parametrize("what", WHOLE)
def test_a_whole_answer_is_read(what: str, pusher: Pusher) -> None:
    with scripted(closing(WHOLE[what])) as server:
        assert get(server, pusher).startswith(b"12345")


def test_the_line_after_the_last_chunk_may_be_missing(pusher: Pusher) -> None:
    with scripted(
        closing(answer(200, {"Transfer-Encoding": "chunked"}, b"1\r\nx\r\n0\r\n", length=False))
    ) as server:
        assert get(server, pusher) == b"x"


def test_a_connection_that_ends_before_any_answer_is_a_failure(pusher: Pusher) -> None:
    with scripted(closing(b"")) as server, pytest.raises(BrokenConnectionError):
        get(server, pusher)


# An answer without an end in bytes


def endless(beginning: bytes, unit: bytes) -> Act:
    """Send `unit` until the other side has had enough."""

    def act(connection: socket.socket) -> None:
        connection.sendall(beginning)
        while True:
            connection.sendall(unit * 1000)

    return act


CHUNKED = answer(200, {"Transfer-Encoding": "chunked"}, length=False)


@pytest.mark.parametrize(
    ("beginning", "unit", "what"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "head"),
        (b"", b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n", "head"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", "head"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", ""),  # http.client has a limit of its own for these
        (b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 60_000 + b"\r\n", "head"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y", ""),
        (CHUNKED + b"0\r\n", b"X: y\r\n", "chunks"),
        (CHUNKED + b"0\r\n", b"X: " + b"y" * 60_000 + b"\r\n", "chunks"),
        (CHUNKED, b"1;x=" + b"y" * 60_000 + b"\r\nz\r\n", "chunks"),
    ],
    ids=[
        "interim answers",
        "interim answers with headers",
        "hints",
        "headers",
        "long headers",
        "one header",
        "trailers",
        "long trailers",
        "chunks with more around than in them",
    ],
)
def test_an_answer_without_an_end_is_left(beginning: bytes, unit: bytes, what: str, pusher: Pusher) -> None:
    with scripted(endless(beginning, unit)) as server, pytest.raises(WireError) as raised:
        get(server, pusher)
    assert f"does not come to an end with the {what}" in raised.value.message or not what


def test_an_endless_body_is_read_as_far_as_it_is_wanted(pusher: Pusher) -> None:
    with scripted(endless(CHUNKED, b"40\r\n" + b"z" * 64 + b"\r\n")) as server:
        assert get(server, pusher) == b"z" * 65536


def test_interim_answers_are_passed_over(pusher: Pusher) -> None:
    interim = b"".join(answer(status, {"X": "y"}, length=False) for status in (100, 102, 103, 100))
    with scripted(interim + answer(200, {}, b"the answer")) as server:
        assert get(server, pusher) == b"the answer"


def test_a_protocol_that_is_switched_is_no_interim_answer(pusher: Pusher) -> None:
    with scripted(answer(101)) as server:
        response = pusher.transport().exchange("GET", f"http://{server.host}/", headers={})
        assert response.status == 101
        response.close()


def test_a_head_through_a_proxy_has_an_end_too(pusher: Pusher) -> None:
    with scripted(endless(b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 60_000 + b"\r\n")) as server:
        transport = pusher.transport(environ={"HTTPS_PROXY": f"http://{server.host}"})
        with pytest.raises(WireError):
            transport.exchange("GET", "https://registry.invalid/v2/", headers={})


# An answer without an end in time


class Dripping:
    """A socket whose peer sends one byte each `seconds` of its clock, as if it were a file of unlimited patience."""

    def __init__(self, data: Iterator[bytes], seconds: float) -> None:
        self._data, self._seconds = data, seconds
        self.time, self.timeout, self.received = 0.0, 60.0, 0

    def now(self) -> float:
        return self.time

    def gettimeout(self) -> float:
        return self.timeout

    def settimeout(self, seconds: float) -> None:
        self.timeout = seconds

    def recv_into(self, view: memoryview) -> int:
        if self._seconds > self.timeout:
            self.time += self.timeout
            raise TimeoutError
        self.time += self._seconds
        piece = next(self._data, b"")
        view[: len(piece)] = piece
        self.received += len(piece)
        return len(piece)

    def makefile(self, *_: object, **__: object) -> io.BytesIO:
        return io.BytesIO()


def bytewise(data: bytes) -> Iterator[bytes]:
    return (data[start : start + 1] for start in range(len(data)))


@pytest.mark.parametrize("seconds", [0.5, 4.0, 30.0])
@pytest.mark.parametrize("unit", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: y\r\n"])
def test_a_head_that_drips_has_a_minute_in_all(unit: bytes, seconds: float) -> None:
    peer = Dripping(bytewise(unit * 10), seconds)
    with pytest.raises(TimeoutError):
        Answer(peer, method="GET", now=peer.now).begin()
    assert 60 <= peer.time < 60 + seconds + 5


def begun(body: Iterator[bytes], seconds: float, *, head: bytes = b"") -> tuple[Answer, Dripping]:
    """An answer whose head came at once, and whose body drips."""

    def pieces() -> Iterator[bytes]:
        yield head or b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
        peer._seconds = seconds
        yield from body

    peer = Dripping(pieces(), 0.0)
    response = Answer(peer, method="GET", now=peer.now)
    response.begin()
    return response, peer


def test_a_small_answer_that_drips_ends_in_the_time_that_it_was_given() -> None:
    response, peer = begun(bytewise(b"x" * 100_000), 1.0)
    response.patience(66.5)
    with pytest.raises(TimeoutError):
        response.read(65536)
    assert peer.time == pytest.approx(67, abs=1)


def test_trailers_that_drip_end_too() -> None:
    head = answer(200, {"Transfer-Encoding": "chunked"}, length=False)
    response, peer = begun(bytewise(b"0\r\n" + b"X: y\r\n" * 1000), 1.0, head=head)
    with pytest.raises(TimeoutError):
        response.read(65536)
    assert peer.time < 65


def test_a_large_body_that_drips_is_left() -> None:
    response, peer = begun(bytewise(b"x" * 1_000_000), 0.5)
    with pytest.raises(TimeoutError):
        list(iter(lambda: response.read(1000), b""))
    assert peer.time < 62


def test_a_large_body_on_a_slow_line_is_read_however_long_it_takes() -> None:
    """10 kB/s: a hundred seconds, in pieces of which each comes 0.1 seconds after the other."""
    response, peer = begun(iter([b"x" * 1000] * 1000), 0.1)
    size = 0
    while data := response.read(4096):
        size += len(data)
    assert size == 1_000_000
    assert peer.time == pytest.approx(100, abs=1)


def test_time_that_the_reader_takes_for_itself_does_not_count() -> None:
    response, peer = begun(iter([b"x" * 1000] * 1000), 0.01)
    while response.read(1000):
        peer.time += 1000


def holding(head: bytes) -> Act:
    """Send `head`, and keep the connection until the other side ends it."""

    def act(connection: socket.socket) -> None:
        connection.sendall(head)
        connection.recv(1)

    return act


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize(
    ("status", "use", "least", "most"),
    [(200, Response.close, 1, 5), (404, error_for, 10, 15), (200, Response.read, 60, 75)],
    ids=["nobody needs it", "it explains an error", "it is the answer"],
)
def test_a_body_that_does_not_come_is_waited_for_as_long_as_it_is_worth(  # noqa: PLR0917 - what is tried
    status: int,
    use: Callable[[Response], object],
    least: float,
    most: float,
    pusher: Pusher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = itertools.count(0.0, 0.25)
    clock = Clock(now=ticks.__next__, sleep=lambda _: None, random=lambda: 0.0)
    monkeypatch.setattr(pusher.clock, "as_clock", lambda: clock)
    with scripted(holding(answer(status, {"Content-Length": "10"}, b"x"))) as server:
        response = pusher.transport().exchange("GET", f"http://{server.host}/", headers={})
        began = next(ticks)
        with contextlib.suppress(WireError):
            use(response)
        assert least <= next(ticks) - began <= most * 2, "half of the looks at the clock are not in a wait"


def test_a_body_that_is_there_is_drained_and_the_connection_used_again(pusher: Pusher) -> None:
    with scripted(answer(200, {}, b"x" * 1000)) as server:
        transport = pusher.transport()
        for _ in range(3):
            transport.exchange("GET", f"http://{server.host}/", headers={}).close()
    assert server.connections == 1


# What is sent


@contextmanager
def line(*, queue: int) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a TCP connection: the kernel of the first holds `queue` bytes, that of the second nearly none."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    with one, other:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, queue)
        yield one, other


class Sender(Speaking):
    """A connection as those of urllib3 are, with nothing but a socket."""

    def __init__(self, sock: socket.socket, now: Callable[[], float]) -> None:
        self.sock, self.now = sock, now


class Taking:
    """A clock by which a peer takes `rate` bytes a second; of one that takes none each look costs ten seconds.

    The peer takes at each look, and time passes with what it took, so that no test waits for the kernel.
    """

    def __init__(self, peer: socket.socket, rate: int) -> None:
        self._peer, self.rate = peer, rate
        self.time, self.received = 0.0, hashlib.sha256()
        self.taken = 0

    def now(self) -> float:
        if not self.rate:
            self.time += 10
            return self.time
        self._peer.setblocking(False)
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            data = self._peer.recv(max(1, self.rate * 10))
            self.received.update(data)
            self.taken += len(data)
            self.time += len(data) / self.rate
        return self.time


SIZE = 1024 * 1024


@pytest.mark.usefixtures("brief")
def test_a_slow_line_with_a_deep_queue_is_alive_as_long_as_bytes_flow() -> None:
    """For many minutes the kernel takes nothing more, because it has megabytes to send."""
    with line(queue=SIZE) as (ours, theirs):
        clock = Taking(theirs, rate=4_000)
        sender = Sender(ours, clock.now)
        for _ in range(3):
            sender.send(b"x" * SIZE)
        waited = clock.time
        answered = theirs.dup()

        def now() -> float:
            if clock.taken == 3 * SIZE and answered.fileno() >= 0:
                with answered:
                    answered.sendall(answer(201))
            return clock.now()

        ours.settimeout(60)  # as urllib3 does before it waits for an answer
        with contextlib.closing(Answer(ours, method="PUT", now=now)) as response:
            response.begin()
    assert response.status == 201
    assert clock.taken == 3 * SIZE
    assert waited > 200, "the queue never stood in the way"


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("rate", [0, 10])
def test_a_peer_that_takes_next_to_nothing_is_left(rate: int) -> None:
    with line(queue=4096) as (ours, theirs):
        clock = Taking(theirs, rate)
        with pytest.raises(TimeoutError):
            Sender(ours, clock.now).send(b"x" * SIZE)
    assert clock.time < 7000


@pytest.mark.usefixtures("brief")
def test_what_a_peer_took_before_buys_it_no_time() -> None:
    """Much was sent on the connection already, and arrived; then nothing more does."""
    with line(queue=4096) as (ours, theirs):
        clock = Taking(theirs, rate=100_000)
        sender = Sender(ours, clock.now)
        sender.send(b"x" * SIZE)
        clock.rate, began = 0, clock.time
        with pytest.raises(TimeoutError):
            sender.send(b"x" * SIZE)
    assert clock.time - began < 500


@pytest.mark.usefixtures("brief")
def test_what_a_peer_took_before_buys_its_answer_no_time() -> None:
    """All of a body has arrived, and the answer never comes."""
    with line(queue=SIZE) as (ours, theirs):
        clock = Taking(theirs, rate=1_000_000)
        Sender(ours, clock.now).send(b"x" * SIZE)
        while clock.taken < SIZE:
            clock.now()
        clock.rate, began = 0, clock.time
        ours.settimeout(60)
        response = Answer(ours, method="PUT", now=clock.now)
        with contextlib.closing(response), pytest.raises(TimeoutError):
            response.begin()
    assert clock.time - began < 500


@pytest.mark.usefixtures("brief")
def test_a_peer_that_takes_no_more_because_it_has_answered_is_heard() -> None:
    """The connection is closed behind the answer: what was not sent must not pass for the next request."""
    with line(queue=4096) as (ours, theirs):
        clock = Taking(theirs, rate=0)
        sender = Sender(ours, clock.now)
        theirs.setblocking(True)
        theirs.sendall(answer(413, {}, b"too large"))
        with pytest.raises(BrokenPipeError):
            sender.send(b"x" * SIZE)
        with contextlib.closing(sender.response_class(ours, method="PUT")) as response:
            response.begin()
            assert response.status == 413
            assert response.will_close
        assert not sender._abandoned, "the next request is another"


@pytest.mark.usefixtures("brief")
def test_where_the_system_does_not_tell_what_the_peer_took_the_kernel_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.platform", "other")
    with line(queue=65536) as (ours, theirs):
        clock = Taking(theirs, rate=100_000)
        Sender(ours, clock.now).send(b"x" * SIZE)
        assert clock.taken > SIZE / 2
        clock.rate = 0
        with pytest.raises(TimeoutError):
            Sender(ours, clock.now).send(b"x" * SIZE)


@pytest.mark.usefixtures("brief")
def test_what_is_encrypted_is_sent_in_slices_of_time_too(tmp_path: Path) -> None:
    """A record of TLS that was sent in part when the time was over goes on where it was."""
    certificate, key = write_certificate(tmp_path, "registry.example")
    here = ssl.create_default_context(cafile=certificate)
    there = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    there.load_cert_chain(certificate, key)
    data = random.Random(1).randbytes(SIZE)
    with line(queue=65536) as (ours, theirs), ThreadPoolExecutor(1) as pool:
        shaken = pool.submit(there.wrap_socket, theirs, server_side=True)
        with here.wrap_socket(ours, server_hostname="registry.example") as sock, shaken.result() as peer:
            clock = Taking(peer, rate=4_000)
            Sender(sock, clock.now).send(data)
            while clock.taken < SIZE:
                clock.now()
    assert clock.received.digest() == hashlib.sha256(data).digest()


def test_the_time_of_a_peer_begins_anew_with_each_piece() -> None:
    time = [0.0]
    waited = Pace(lambda: time[0], 60)
    for _ in range(100):
        with waited.waiting():
            time[0] += 50
        waited.moved(PIECE)
    assert waited.left == 60
    waited.moved(-PIECE)
    waited.moved(PIECE - 1)
    with waited.waiting():
        time[0] += 60
    with pytest.raises(TimeoutError):
        waited.slice()


def test_limits_that_follow_from_each_other() -> None:
    assert issubclass(EndlessAnswerError, OSError), "urllib3 passes no other on"
    assert HEAD_LIMIT > 64 * 1024, "one line of a head may have that much"


# Redirects of what is large


def test_a_layer_is_sent_on_twice_and_no_more(pusher: Pusher) -> None:
    steps = [answer(307, {"Location": f"/{hop}"}) for hop in range(9)]
    body = RequestBody(opener(b"x" * 1000), 1000, "it", ignore)
    with scripted(*steps) as server:
        transport = pusher.transport()
        with pytest.raises(WireError, match="more than 2 times") as raised:
            transport.exchange("PATCH", f"http://{server.host}/x", headers={}, body=body)
    assert not raised.value.transient
    assert server.requests == ["PATCH /x", "PATCH /0", "PATCH /1"]


def test_a_layer_that_is_sent_on_once_arrives(pusher: Pusher) -> None:
    body = RequestBody(opener(b"x" * 1000), 1000, "it", ignore)
    with scripted(answer(307, {"Location": "/y"}), answer(307, {"Location": "/z"}), answer(202)) as server:
        transport = pusher.transport()
        assert transport.exchange("PATCH", f"http://{server.host}/x", headers={}, body=body).status == 202
