"""A tar that passes by in pieces. The content of a file is handed on to a sink, if one wants it, and nothing is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from flakeship.errors import Error
from flakeship.image.tar.blocks import BLOCK, number, pax_records, text_field


class Sink(Protocol):
    """Takes the content of one file."""

    def take(self, data: bytes) -> None:
        """Take the next piece."""

    def end(self) -> None:
        """The file has ended."""


@dataclass(frozen=True, slots=True)
class Passing:
    """A member as its header states it. `name` has no slash before it; `size` is in bytes, and 0 for what is no file."""

    name: str
    is_file: bool
    executable: bool
    size: int


Wanted: TypeAlias = Callable[[Passing], "Sink | None"]

_FILES: Final = frozenset({b"0", b"\0", b"7"})
_WITHOUT_DATA: Final = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})
_MOST_EXTENDED: Final = 1 << 20


class TarFeed:
    """Is fed a tar. `whole` is False for one that is damaged: the rest of it is passed over, since others report that.

    A sparse file is passed over too: no program is stored so.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._rest = b""
        self._sink: Sink | None = None
        self._left = 0
        self._padding = 0
        self._extended: dict[bytes, bytes] = {}
        self.whole = True

    def feed(self, data: bytes) -> None:
        """Take the next piece."""
        view = memoryview(data)
        while self.whole and view:
            if self._left:
                view = self._content(view)
            elif self._padding:
                skipped = min(self._padding, len(view))
                self._padding -= skipped
                view = view[skipped:]
            else:
                missing = BLOCK - len(self._rest)
                self._rest += bytes(view[:missing])
                view = view[missing:]
                if len(self._rest) == BLOCK:
                    block, self._rest = self._rest, b""
                    try:
                        self._header(block)
                    except (ValueError, Error):
                        self.whole = False

    def end(self) -> bool:
        """Tell whether all of the tar has passed."""
        return self.whole and not self._left and not self._rest

    def _content(self, view: memoryview) -> memoryview:
        taken = min(self._left, len(view))
        self._left -= taken
        if self._sink:
            self._sink.take(bytes(view[:taken]))
            if not self._left:
                sink, self._sink = self._sink, None
                try:
                    sink.end()
                except (ValueError, Error):  # a pax header is malformed
                    self.whole = False
        return view[taken:]

    def _header(self, block: bytes) -> None:
        if not any(block):
            return
        flag, size = block[156:157], number(block[124:136])
        if flag in {b"x", b"X", b"L"}:
            if not 0 <= size <= _MOST_EXTENDED:
                raise ValueError("an extended header is too large")
            self._await(size, _Extended(self._extended, flag))
            return
        if flag in {b"g", b"K"}:  # what stands before one belongs to the member behind it
            self._await(size, None)
            return
        extended, self._extended = self._extended, {}
        size = int(extended.get(b"size", b"") or size)
        if flag in _WITHOUT_DATA:
            size = 0
        if size < 0:
            raise ValueError("a member has a negative size")
        name = extended.get(b"path") or _name(block)
        is_file = flag in _FILES and not any(key.startswith(b"GNU.sparse") for key in extended)
        passing = Passing(
            name.decode(errors="replace").removeprefix("./").lstrip("/"),
            is_file,
            bool(number(block[100:108]) & 0o111),
            size if is_file else 0,
        )
        sink = self._wanted(passing)
        if sink and not size:
            sink.end()
        self._await(size, sink if size else None)

    def _await(self, size: int, sink: Sink | None) -> None:
        self._left, self._padding, self._sink = size, -size % BLOCK, sink


def _name(block: bytes) -> bytes:
    name = text_field(block[:100])
    prefix = text_field(block[345:500]) if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


class _Extended:
    """The header that says more of the member behind it: pax(1), or GNU's long name."""

    def __init__(self, extended: dict[bytes, bytes], flag: bytes) -> None:
        self._extended, self._flag = extended, flag
        self._pieces: list[bytes] = []

    def take(self, data: bytes) -> None:
        self._pieces.append(data)

    def end(self) -> None:
        data = b"".join(self._pieces)
        if self._flag == b"L":
            self._extended[b"path"] = data.rstrip(b"\0")
        else:
            self._extended |= pax_records(data)
