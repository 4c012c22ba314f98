"""Reading tar archives of images: never unpacked, members by name, every name and size distrusted.

All dialects are read that are still written: Unix V7, USTAR, GNU's and pax, with sparse files of each. The standard
library's reader takes a damaged header for the end of the archive; here it is an error.
"""

from __future__ import annotations

import io
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from flakeship.errors import NotAnImageError
from flakeship.image.stream import CHUNK, Reader, Stream, chunks, read_full
from flakeship.image.tar.blocks import BLOCK, Bounded, DamagedError, number, pax_records, text_field
from flakeship.printable import counted

MEMBER_LIMIT: Final = 20_000
"""Headers of any kind: an endless row of extended ones would take as long as one of files."""
MOST_OF_LAYER: Final = 10_000_000
"""Headers of a layer, which has a hundred thousand files at times: nothing is kept of them."""
NAME_LIMIT: Final = 4096
_EXTENSION_LIMIT: Final = 1024 * 1024
_SIZE_LIMIT: Final = 1 << 43

Kind = Literal["file", "folder", "symlink", "hardlink", "other"]
_KINDS: Final[dict[bytes, Kind]] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"S": "file",
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "other",
    b"4": "other",
    b"5": "folder",
    b"6": "other",
}
"""What has a flag of another kind is "other" too: https://www.gnu.org/software/tar/manual/html_node/Standard.html."""
_WITHOUT_DATA: Final = frozenset(b"123456")
"""Flags of members without data, whatever size their header states."""
_SPARSE: Final = b"S"
_GLOBAL: Final = b"g"
_PAX: Final = frozenset({b"x", b"X"})
_GNU_LONG: Final = {b"L": b"path", b"K": b"linkpath"}


@dataclass(frozen=True, slots=True)
class Member:
    """A member as its header states it. `kind` is "other" for a device, a pipe, a label and whatever else has no content for us.

    `target` is where a link leads, as it is written; `offset` says where a file's data lies, and `size` how much it
    unpacks to, in bytes. `segments` of a sparse file are offset and length of each piece that is stored, one behind
    the other; all between them is zeros.
    """

    name: str
    kind: Kind
    size: int
    target: str
    offset: int
    segments: Sequence[tuple[int, int]] | None = None

    def data(self, file: Reader, *, own: bool = False) -> Stream:
        """Return the content, of which `file` stands at the beginning; closing it closes `file` if it is its `own`."""
        if self.segments is None:
            return Bounded(file, self.size, own=own)
        from flakeship.image.tar.sparse import Expanded

        stored = sum(length for _, length in self.segments)
        return Expanded(Bounded(file, stored, own=own), self.segments, self.size)


@dataclass(frozen=True, slots=True)
class _Header:
    """The fields of a header that say what follows it. `block` is all of it."""

    name: str
    flag: bytes
    size: int
    link: str
    block: bytes


def is_tar(head: bytes) -> bool:
    """Tell whether a file that begins with `head` (512 bytes) is a tar archive, an empty one too.

    Both magics, POSIX's and GNU's, stand at byte 257. The oldest form, of Unix V7, has none, but a checksum; a block of zeros
    begins an empty archive.
    """
    if head[257:262] == b"ustar":
        return True
    return len(head) >= BLOCK and (not any(head[:BLOCK]) or _is_sum_right(head[:BLOCK]))


class TarReader:
    """Yields the members in the order of the archive. Between two of them, `data` reads the one that was yielded last.

    A file that can seek is read from its start, and the data of members that nobody reads are skipped by a seek. `most`
    is the number of headers that are read.
    """

    def __init__(self, file: Reader, *, most: int = MEMBER_LIMIT) -> None:
        self._file = file
        self._most = most
        self._seek = getattr(file, "seek", None) if getattr(file, "seekable", bool)() else None
        self._end = self._seek(0, io.SEEK_END) if self._seek else 0
        if self._seek:
            self._seek(0)
        self._position = 0
        self._stored = Bounded(file, 0)
        self._data: Stream = self._stored
        self._segments = 0
        # docs/decisions.md#a-tar-need-not-end-with-its-mark
        self.marked = False
        """True once the mark at the end was read. An archive may lack it, and one that was cut off does: whoever misses
        something in it should say so. https://www.gnu.org/software/tar/manual/html_node/Standard.html"""

    def __iter__(self) -> Iterator[Member]:
        """Yield each member. DamagedError where the archive is cut off or no tar, NotAnImageError where it is hostile."""
        extended: dict[bytes, bytes] = {}
        count = 0
        while header := self._header():
            count += 1
            if count > self._most:
                raise NotAnImageError(
                    f"the archive has more than {self._most} members, so it is not an image",
                    hint="name an archive that `docker load` takes",
                )
            if header.flag in _PAX:
                extended |= pax_records(self._small(header))
            elif header.flag in _GNU_LONG:
                extended[_GNU_LONG[header.flag]] = self._small(header).rstrip(b"\0")
            elif header.flag == _GLOBAL:
                self._small(header)
            else:
                yield self._member(header, extended)
                extended = {}
                self._skip()
        if extended:
            raise DamagedError("it ends behind an extended header")

    def data(self) -> Stream:
        """Return the data of the member that was yielded last, or what is left of them."""
        return self._data

    def _member(self, header: _Header, extended: dict[bytes, bytes]) -> Member:
        name = _text(extended.get(b"path") or b"") or header.name
        kind = _KINDS.get(header.flag, "other")
        if kind == "file" and name.endswith("/") and header.flag == b"\0":  # as Unix V7 writes a folder
            kind = "folder"
        stored = 0 if header.flag[0] in _WITHOUT_DATA else int(extended.get(b"size") or header.size)
        if not 0 <= stored <= _SIZE_LIMIT:
            raise DamagedError(f"its member {shown(name)} claims {counted(stored, 'byte')}")
        link = _text(extended.get(b"linkpath") or b"") or header.link
        target = link if kind in {"symlink", "hardlink"} else ""
        self._data = self._stored = Bounded(self._file, stored)
        if kind == "file" and (
            header.flag == _SPARSE or any(key.startswith(b"GNU.sparse.") for key in extended)
        ):
            return self._sparse(header, name, extended)
        member = Member(inside(name), kind, stored if kind == "file" else 0, target, self._position)
        self._position += stored
        return member

    def _sparse(self, header: _Header, name: str, extended: dict[bytes, bytes]) -> Member:
        """A file that is stored without its zeros."""
        from flakeship.image.tar import sparse

        if header.flag == _SPARSE:
            found = sparse.of_header(header.block, self._block)
        else:
            found = sparse.of_records(extended, self._stored)
        before = self._stored.left
        self._segments += len(found.segments)
        sparse.check(found, before, shown(name), total=self._segments)
        name = _text(extended.get(b"GNU.sparse.name") or b"") or name
        self._position += found.read
        member = Member(inside(name), "file", found.size, "", self._position, found.segments)
        self._data = sparse.Expanded(self._stored, found.segments, found.size)
        self._position += before
        return member

    def _header(self) -> _Header | None:
        block = self._block()
        if not any(block):
            self.marked = bool(block)
            return None
        return _parsed(block, self._position)

    def _block(self) -> bytes:
        """Another block of the header; empty at the end of the file."""
        block = read_full(self._file, BLOCK)
        self._position += len(block)
        if 0 < len(block) < BLOCK:
            raise DamagedError(f"its last header is truncated: it ends at byte {self._position}")
        return block

    def _small(self, header: _Header) -> bytes:
        if not 0 <= header.size <= _EXTENSION_LIMIT:
            raise DamagedError(f"an extended header claims {counted(header.size, 'byte')}")
        data = Bounded(self._file, header.size)
        content = b"".join(chunks(data))
        self._position += header.size
        self._data = self._stored = data
        self._skip()
        return content

    def _skip(self) -> None:
        """Go to the next header: past what is left of the data, and the padding, which the last member may lack."""
        left, self._stored.left = self._stored.left, 0
        padding = -self._position % BLOCK
        if self._seek is None:
            self._pass_over(left, padding)
        elif self._position > self._end:  # a seek would go there in silence
            raise DamagedError(f"it ends {counted(self._position - self._end, 'byte')} too early")
        else:
            self._seek(self._position + padding)
        self._position += padding

    def _pass_over(self, left: int, padding: int) -> None:
        while left + padding:
            if not (skipped := len(self._file.read(min(left + padding, CHUNK)))):
                if not left:
                    return
                raise DamagedError(f"it ends {counted(left, 'byte')} too early")
            padding -= max(0, skipped - left)
            left = max(0, left - skipped)


def _parsed(block: bytes, position: int) -> _Header:
    """Parse a header of any dialect: https://www.gnu.org/software/tar/manual/html_node/Standard.html."""
    if not _is_sum_right(block):
        raise DamagedError(f"the header before byte {position} is damaged (bad checksum)")
    try:
        size = number(block[124:136])
    except ValueError as error:
        raise DamagedError(f"the header before byte {position} is damaged ({error})") from error
    name, flag = text_field(block[:100]), block[156:157]
    # GNU's old form, which its tar still writes by default, has times and offsets where POSIX has a prefix
    if block[257:263] == b"ustar\0" and (prefix := text_field(block[345:500])):
        name = prefix + b"/" + name
    return _Header(_text(name), flag, size, _text(text_field(block[157:257])), block)


def _is_sum_right(block: bytes) -> bool:
    """Some old writers added up signed bytes; the checksum's own field counts as blanks."""
    try:
        stated = number(block[148:156])
    except ValueError:
        return False
    if stated <= 0:
        return False
    counted = block[:148] + b" " * 8 + block[156:]
    return stated == sum(counted) or stated == sum(byte - 256 * (byte > 127) for byte in counted)


def inside(name: str) -> str:
    """Return `name` relative to the archive's root, where an absolute name begins: `tar -P` writes such, and skopeo takes them.

    NotAnImageError if it leads out of it or has over 4096 characters.
    """
    if len(name) > NAME_LIMIT:
        raise NotAnImageError(
            f"the archive has a member with a name of more than {NAME_LIMIT} characters",
            hint="do not trust the archive: no builder of images writes such members",
        )
    path = posixpath.normpath(name.lstrip("/") or ".")
    if path == ".." or path.startswith("../") or "\0" in name:
        raise NotAnImageError(
            f"the archive's member {shown(name)} leads out of the archive",
            hint="do not trust the archive: no builder of images writes such members",
        )
    return path


def shown(name: str) -> str:
    """Return an untrusted name in ASCII, quoted and at most 120 characters of it, for a message."""
    return ascii(name if len(name) <= 120 else name[:117] + "...")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
