"""A registry at a distance: a relay on loopback that counts the round trips which stand one after another, or delays them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

QUIET: Final = 0.25
"""Seconds without a byte from the client after which it is taken to wait for answers, and for nothing else."""

_BLOCK: Final = 256 * 1024


@dataclass(eq=False, slots=True)
class _Connection:
    client: asyncio.StreamWriter
    upstream: asyncio.StreamWriter | None = None
    waiting: bytearray = field(default_factory=bytearray)
    """Bytes of the client that have not set out yet."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Rounds:
    """What went through the relay at `host`: the first lines of the requests of each round trip, in order.

    A line is `connect` for the handshake of a connection, which is a round trip too. What is sent before the client goes
    quiet shares a round trip, so that their number depends on what waits for what and on no clock.
    """

    host: str = ""
    trips: list[list[str]] = field(default_factory=list)

    def forget(self) -> None:
        """Begin to count anew."""
        self.trips.clear()

    def __str__(self) -> str:
        return "\n".join(f"{number:3} {_folded(lines)}" for number, lines in enumerate(self.trips, 1))


@contextlib.contextmanager
def counted(upstream: str, *, quiet: float = QUIET) -> Iterator[Rounds]:
    """Relay to `upstream` (`127.0.0.1:PORT`) until the block is left, and hold all that is sent until the client waits."""
    found = Rounds()
    with _in_a_thread(_Counting(upstream, found, quiet).serve) as host:
        found.host = host
        yield found


@contextlib.contextmanager
def delayed(upstream: str, *, round_trip: float, rate: float = 0.0) -> Iterator[str]:
    """Relay to `upstream` with half of `round_trip` (seconds) each way, and `rate` bytes a second each way if it is not 0.

    Yields the host of the relay.
    """
    with _in_a_thread(_Delaying(upstream, round_trip, rate).serve) as host:
        yield host


@dataclass(slots=True)
class Passed:
    """How many bytes went through the relay at `host`, up to the other end and down from it."""

    host: str = ""
    up: int = 0
    down: int = 0


@contextlib.contextmanager
def metered(upstream: str, *, round_trip: float = 0.0, rate: float = 0.0) -> Iterator[Passed]:
    """Relay as `delayed` does, and count the bytes."""
    passed = Passed()
    with _in_a_thread(_Delaying(upstream, round_trip, rate, passed).serve) as host:
        passed.host = host
        yield passed


class _Counting:
    def __init__(self, upstream: str, found: Rounds, quiet: float) -> None:
        self._upstream, self._found, self._quiet = upstream, found, quiet
        self._open: dict[_Connection, None] = {}
        self._last = time.monotonic()

    async def serve(self, listening: asyncio.Future[str]) -> None:
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        listening.set_result(_host_of(server))
        async with server:
            while True:
                await asyncio.sleep(self._quiet / 20)
                waiting = any(each.waiting or not each.upstream for each in self._open)
                if waiting and time.monotonic() - self._last > self._quiet:
                    await self._trip()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(writer)
        self._open[connection] = None
        self._last = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_BLOCK):
                connection.waiting += data
                self._last = time.monotonic()
        del self._open[connection]
        connection.answered.set()
        for each in (writer, connection.upstream):
            if each:
                each.close()

    async def _trip(self) -> None:
        """One round trip: handshakes end, requests arrive, and each answer has begun to come back."""
        arriving = [each for each in self._open if each.upstream and each.waiting]
        fresh = [each for each in self._open if not each.upstream]
        lines = [bytes(each.waiting).partition(b"\r\n")[0].decode(errors="replace") for each in arriving]
        self._found.trips.append([*("connect" for _ in fresh), *lines])
        for each in fresh:
            reader, each.upstream = await asyncio.open_connection(*self._upstream.split(":"))
            asyncio.ensure_future(self._answers(reader, each))  # noqa: RUF006 - it ends with its connection
        for each in arriving:
            assert each.upstream
            each.answered.clear()
            each.upstream.write(bytes(each.waiting))
            each.waiting.clear()
        for each in arriving:
            await each.answered.wait()
        self._last = time.monotonic()

    async def _answers(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_BLOCK):
                connection.client.write(data)
                connection.answered.set()
                self._last = time.monotonic()
        connection.answered.set()
        connection.client.close()


class _Delaying:
    def __init__(self, upstream: str, round_trip: float, rate: float, passed: Passed | None = None) -> None:
        self._upstream, self._round_trip, self._rate = upstream, round_trip, rate
        self._passed = passed or Passed()
        self._free = {"up": 0.0, "down": 0.0}
        """When the line of each direction, which all connections share, has sent what it was given."""

    async def serve(self, listening: asyncio.Future[str]) -> None:
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        listening.set_result(_host_of(server))
        async with server:
            await server.serve_forever()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self._round_trip)  # the handshake of TCP
        up_reader, up_writer = await asyncio.open_connection(*self._upstream.split(":"))
        ways = self._carry(reader, up_writer, "up"), self._carry(up_reader, writer, "down")
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*ways)
        for each in (writer, up_writer):
            each.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)
        arrivals = asyncio.ensure_future(self._arrive(under_way, writer))
        data = b"begin"
        while data:
            try:
                data = await reader.read(_BLOCK)
            except ConnectionError:
                data = b""
            if way == "up":
                self._passed.up += len(data)
            else:
                self._passed.down += len(data)
            now = time.monotonic()
            if self._rate:
                self._free[way] = max(now, self._free[way]) + len(data) / self._rate
                # what the line has not taken stays with its sender, as in a socket that is full
                await asyncio.sleep(max(0.0, self._free[way] - now - 0.01))
            await under_way.put((max(now, self._free[way]) + self._round_trip / 2, data))
        await arrivals

    async def _arrive(
        self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            while True:
                due, data = await under_way.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()
        while (await under_way.get())[1]:  # nobody is there to read the rest
            pass


@contextlib.contextmanager
def _in_a_thread(serve: Any) -> Iterator[str]:
    """Run a server until the block is left; yield its host."""
    loop = asyncio.new_event_loop()
    listening: asyncio.Future[str] = loop.create_future()
    started = threading.Event()
    listening.add_done_callback(lambda _: started.set())
    work: list[asyncio.Task[None]] = []

    async def run(serving: Coroutine[Any, Any, None]) -> None:
        work.append(asyncio.ensure_future(serving))
        with contextlib.suppress(asyncio.CancelledError):
            await work[0]
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(run(serve(listening)),), daemon=True)
    thread.start()
    assert started.wait(20), "the relay did not start"
    try:
        yield listening.result()
    finally:
        loop.call_soon_threadsafe(work[0].cancel)
        thread.join(10)
        loop.close()


def _host_of(server: asyncio.Server) -> str:
    return f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def _folded(lines: list[str]) -> str:
    """The methods of one round trip, equal ones counted."""
    counts: dict[str, int] = {}
    for line in lines:
        method = line.partition(" ")[0]
        is_blob = method == "HEAD" and "/blobs/" in line
        key = method if is_blob or lines.count(line) > 1 else line[:120]
        counts[key] = counts.get(key, 0) + 1
    return ", ".join(f"{count} x {line}" if count > 1 else line for line, count in counts.items())
