"""Nix's worker protocol, as far as reading a store needs it: the words on the wire, and what answers hold.

It is what `ssh-ng://` speaks to `nix-daemon --stdio`: https://github.com/NixOS/nix/blob/master/src/libstore/worker-protocol.cc.
The client that Nix has waits for each answer before it asks again, and starts anew for each command: see
docs/decisions.md#one-conversation-reads-a-far-store.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable
from typing import BinaryIO, Final, cast

from flakeship.nix.closure import PathInfo

_CLIENT: Final = 0x6E697863
_SERVER: Final = 0x6478696F
_OURS: Final = 0x123
"""1.35, which Nix has spoken since 2.15 and speaks still; from an older one each side leaves out what the other lacks."""
_OLDEST: Final = 21
"""1.21 is that of Nix 2.3; `ssh-ng` is of no use before."""

IS_VALID: Final = 1
ADD_TEMP_ROOT: Final = 11
PATH_INFO: Final = 26
NAR: Final = 38

_NEXT: Final = 0x6F6C6D67
_LAST: Final = 0x616C7473
_ERROR: Final = 0x63787470
_START: Final = 0x53545254
_STOP: Final = 0x53544F50
_RESULT: Final = 0x52534C54

_MOST: Final = 1 << 26
"""Bytes of a word, and of the words of a list: a path may refer to thousands of others."""
_HASH: Final = re.compile(r"[0-9a-f]{64}")


class ProtocolError(Exception):
    """The other side answered what is no answer. The text begins with a small letter."""


class RefusedError(Exception):
    """The store refused a request, in the words that the text holds; the conversation goes on."""


class EndedError(Exception):
    """The other side ended the conversation."""


def number(value: int) -> bytes:
    return value.to_bytes(8, "little")


def text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogateescape")
    return number(len(data)) + data + bytes(-len(data) % 8)


def request(operation: int, path: str) -> bytes:
    """The bytes that ask for something of one path."""
    return number(operation) + text(path)


GREETING: Final = number(_CLIENT) + number(_OURS) + number(0) * 2
"""All that a client says first; the two zeros stood for settings that no Nix has any more."""


class Answers:
    """What the other side says, in the order of the requests. EndedError where it stops, ProtocolError where it rambles."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.minor = _OLDEST
        self.release = ""
        self.trusted: bool | None = None

    def greeted(self) -> None:
        """Read the answer to GREETING. RefusedError as `done`."""
        first = self._exactly(8)
        if int.from_bytes(first, "little") != _SERVER:
            raise ProtocolError(f"what answers there does not speak Nix's protocol{self._words(first)}")
        version = self._number()
        self.minor = min(version, _OURS) & 0xFF
        if version >> 8 != _OURS >> 8 or self.minor < _OLDEST:
            raise ProtocolError(f"its Nix speaks version {version >> 8}.{version & 0xFF} of the protocol")
        if self.minor >= 33:
            self.release = self._text()
        if self.minor >= 35:
            self.trusted = {1: True, 2: False}.get(self._number())
        self.done()

    def done(self) -> None:
        """Read what comes before an answer. RefusedError where the request failed."""
        while (word := self._number()) != _LAST:
            if word == _ERROR:
                raise RefusedError(self._error())
            if word == _NEXT:
                self._text()
            elif word == _START:
                self._numbers(3)
                self._text()
                self._fields()
                self._number()
            elif word == _STOP:
                self._number()
            elif word == _RESULT:
                self._numbers(2)
                self._fields()
            else:
                raise ProtocolError(f"its answer begins with the word {word:#x}, which no Nix says")

    def flag(self) -> bool:
        """Read an answer of yes or no."""
        self.done()
        return bool(self._number())

    def path_info(self, path: str) -> PathInfo | None:
        """Read what the store knows of `path`; None where it does not hold it."""
        if not self.flag():
            return None
        deriver, digest = self._text(), self._text()
        if not _HASH.fullmatch(digest):
            raise ProtocolError(f"it states the hash {digest[:80]!r} of {path}")
        references = self._texts()
        self._number()
        size = self._number()
        self._number()
        self._texts()
        self._text()
        sri = "sha256-" + base64.b64encode(bytes.fromhex(digest)).decode()
        return PathInfo(path, sri, size, tuple(sorted(set(references) - {path})), deriver)

    def some(self, size: int) -> bytes:
        """Read at most `size` bytes, as they come."""
        data = cast("io.BufferedReader", self._stream).read1(size)
        if not data:
            raise EndedError
        return data

    def _words(self, first: bytes) -> str:
        """What a shell prints in place of an answer, which begins with eight bytes that were read; empty where it is no text."""
        if not first.isascii() or not first.decode().replace("\n", "").isprintable():
            return ""
        rest = b"" if b"\n" in first else cast("io.BufferedReader", self._stream).peek(1)
        line = (first + rest).decode(errors="replace").strip().partition("\n")[0]
        return f": it says {line[:80]!r}"

    def _error(self) -> str:
        if self.minor < 26:
            said = self._text()
            self._number()
            return said
        self._text()
        self._number()
        self._text()
        said = self._text()
        self._number()
        for _ in range(self._count()):
            self._number()
            self._text()
        return said

    def _fields(self) -> None:
        for _ in range(self._count()):
            if self._number():
                self._text()
            else:
                self._number()

    def _count(self) -> int:
        if (count := self._number()) > _MOST // 8:
            raise ProtocolError(f"it states a list of {count} words")
        return count

    def _texts(self) -> list[str]:
        return [self._text() for _ in range(self._count())]

    def _text(self) -> str:
        size = self._number()
        if size > _MOST:
            raise ProtocolError(f"it states a word of {size} bytes")
        return self._exactly(size + -size % 8)[:size].decode("utf-8", "surrogateescape")

    def _numbers(self, count: int) -> None:
        self._exactly(8 * count)

    def _number(self) -> int:
        return int.from_bytes(self._exactly(8), "little")

    def _exactly(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) < size:
            raise EndedError
        return data


def requests(operation: int, paths: Iterable[str]) -> bytes:
    """The bytes that ask the same of several paths, whose answers come one after the other."""
    return b"".join(request(operation, path) for path in paths)
