"""What goes wrong below HTTP, as acts of the fault proxy: answers that are cut, dribble or never end, bodies read slowly."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from tests.testbed.registry_faults import Answer
from tests.testbed.registry_proxy import Exchange

Act: TypeAlias = Callable[[Exchange], None]

PATIENCE: Final = 600.0
"""Seconds after which the proxy gives up by itself whatever it does for ever."""


def raw_head(answer: Answer, *, length: int | None = None) -> bytes:
    """The answer's head as it goes over the line, with another Content-Length if one is given."""
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if answer.status != 204:
        lines.append(f"Content-Length: {len(answer.body) if length is None else length}")
    return "\r\n".join([f"HTTP/1.1 {answer.status} X", *lines, "", ""]).encode("latin-1")


def cut_in_head(share: float) -> Act:
    """The server does all of it; of the answer's head only this share comes back, then an orderly end."""

    def act(exchange: Exchange) -> None:
        answer = exchange.forward()
        head = raw_head(answer)
        exchange.write(head[: int(len(head) * share)], status=answer.status)

    return act


def cut_after(name: str, *, keep: int) -> Act:
    """As `cut_in_head`, within the value of one header, of which `keep` characters come."""

    def act(exchange: Exchange) -> None:
        answer = exchange.forward()
        value = answer.headers.pop(name)
        head = raw_head(answer).removesuffix(b"\r\n")
        exchange.write(head + f"{name}: {value[:keep]}".encode(), status=answer.status)

    return act


def cut_in_body(exchange: Exchange) -> None:
    """The Content-Length is true, and half of the body comes."""
    answer = exchange.forward()
    exchange.write(raw_head(answer) + answer.body[: len(answer.body) // 2], status=answer.status)


def early(answer: Answer, *, after: int = 0) -> Act:
    """Answer when `after` bytes of the body have come, read no more of it, and reset."""

    def act(exchange: Exchange) -> None:
        received = 0
        for piece in exchange.body():
            received += len(piece)
            if received >= after:
                break
        exchange.write(raw_head(answer) + answer.body, status=answer.status)
        time.sleep(0.2)  # the answer is to be there before the reset, which would throw it away
        exchange.reset()

    return act


def flipped(exchange: Exchange) -> None:
    """The first bit of the body arrives as another."""
    first = iter([True])
    exchange.answer(
        exchange.forward(lambda piece: bytes([piece[0] ^ 1]) + piece[1:] if next(first, False) else piece)
    )


def raw(*pieces: bytes, drain: bool = True) -> Act:
    """These bytes in the server's stead, then an orderly end."""

    def act(exchange: Exchange) -> None:
        if drain:
            for _ in exchange.body():
                pass
        for piece in pieces:
            exchange.write(piece)

    return act


def endless(head: bytes, piece: bytes, *, pause: float = 0.0) -> Act:
    """`head`, and then `piece` again and again until the client has had enough."""

    def act(exchange: Exchange) -> None:
        for _ in exchange.body():
            pass
        _dribble(exchange, itertools.chain([head], itertools.repeat(piece)), pause)

    return act


def slow_answer(pause: float) -> Act:
    """The server's own answer, a byte at a time with these seconds between."""

    def act(exchange: Exchange) -> None:
        answer = exchange.forward()
        whole = raw_head(answer) + answer.body
        _dribble(exchange, (bytes([byte]) for byte in whole), pause)

    return act


def silent(*, reads: bool = True) -> Act:
    """No answer at all, the connection open; without `reads` the body is left in the line too."""

    def act(exchange: Exchange) -> None:
        if reads:
            for _ in exchange.body():
                pass
        _until_it_hangs_up(exchange.connection)

    return act


def slow_reader(rate: int, *, queue: int = 0) -> Act:
    """Take the body at `rate` bytes a second, out of a receive buffer of `queue` bytes if that is given.

    What lies in that buffer is acknowledged. All that waits for it is in the sender's kernel.
    """

    def act(exchange: Exchange) -> None:
        if queue:
            exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, queue)
        exchange.answer(exchange.forward(lambda piece: _after(piece, len(piece) / rate)))

    return act


def _after(piece: bytes, seconds: float) -> bytes:
    time.sleep(seconds)
    return piece


def _dribble(exchange: Exchange, pieces: Iterable[bytes], pause: float) -> None:
    end = time.monotonic() + PATIENCE
    for piece in pieces:
        if time.monotonic() > end:
            return
        exchange.write(piece)
        time.sleep(pause)


def _until_it_hangs_up(connection: socket.socket) -> None:
    connection.settimeout(PATIENCE)
    while connection.recv(1, socket.MSG_PEEK) and _still_open(connection):
        time.sleep(0.1)


def _still_open(connection: socket.socket) -> bool:
    """Tell whether the peer has closed nothing yet, although bytes of it lie unread in the line (Linux: tcp(7), TCP_INFO)."""
    established = 1
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[0] == established
