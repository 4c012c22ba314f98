"""Reading tar archives of images: never unpacked, members by name, every name and size distrusted.

The standard library's reader takes a damaged header for the end of the archive; here it is an error.
"""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from flakeship.errors import NotAnImageError
from flakeship.image.stream import CHUNK, Reader, Stream, chunks, read_full

BLOCK: Final = tarfile.BLOCKSIZE
MEMBER_LIMIT: Final = 20_000
"""Headers of any kind: an endless row of extended ones would take as long as one of files."""
NAME_LIMIT: Final = 4096
_EXTENSION_LIMIT: Final = 1024 * 1024
_SIZE_LIMIT: Final = 1 << 43

Kind = Literal["file", "folder", "symlink", "hardlink"]
_KINDS: Final[dict[bytes, Kind]] = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hardlink",
}
_GNU_LONG: Final = {tarfile.GNUTYPE_LONGNAME: "path", tarfile.GNUTYPE_LONGLINK: "linkpath"}


class DamagedError(NotAnImageError):
    """The archive is cut off, or its bytes are not those of a tar archive; the message says which."""


@dataclass(frozen=True, slots=True)
class Member:
    """`target` is the member that a link leads to; `offset` and `size` say where a file's data lies, in bytes."""

    name: str
    kind: Kind
    size: int
    target: str
    offset: int


def is_tar(head: bytes) -> bool:
    """Tell whether a file that begins with `head` (512 bytes) is a tar archive, an empty one too.

    Both magics, POSIX's and GNU's, stand at byte 257; a block of zeros begins an empty archive.
    """
    return head[257:262] == b"ustar" or (len(head) >= BLOCK and not any(head[:BLOCK]))


def is_old_tar(head: bytes) -> bool:
    """Tell whether `head` is a header by its checksum: tar has no magic in its oldest form (Unix V7)."""
    try:
        tarfile.TarInfo.frombuf(head[:BLOCK], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


class Bounded(Stream):
    """Exactly `size` bytes of `file` from where it stands; `read` raises DamagedError if it has fewer.

    `left` are the bytes not read yet. Closing it closes `file` if it is its `own`.
    """

    def __init__(self, file: Reader, size: int, *, own: bool = False) -> None:
        self._file, self.left, self._own = file, size, own

    def read(self, size: int = -1, /) -> bytes:
        wanted = self.left if size < 0 else min(size, self.left)
        if not wanted:
            return b""
        data = self._file.read(wanted)
        if not data:
            raise DamagedError(f"it ends {self.left} bytes too early")
        self.left -= len(data)
        return data

    def close(self) -> None:
        if self._own and not self.closed:
            self._file.close()
        super().close()


class TarReader:
    """Yields the members in the order of the archive. Between two of them, `data` reads the one that was yielded last.

    A file that can seek is read from its start, and the data of members that nobody reads are skipped by a seek.
    """

    def __init__(self, file: Reader) -> None:
        self._file = file
        self._seek = getattr(file, "seek", None) if getattr(file, "seekable", bool)() else None
        self._end = self._seek(0, io.SEEK_END) if self._seek else 0
        if self._seek:
            self._seek(0)
        self._position = 0
        self._data = Bounded(file, 0)

    def __iter__(self) -> Iterator[Member]:
        """Yield each member. DamagedError where the archive is cut off or no tar, NotAnImageError where it is hostile."""
        extended: dict[str, str] = {}
        count = 0
        while header := self._header():
            count += 1
            if count > MEMBER_LIMIT:
                raise NotAnImageError(
                    f"the archive has more than {MEMBER_LIMIT} members; that is no image",
                    hint="point flakeship at the archive of an image, as `docker load` takes it",
                )
            if header.type in {tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE}:
                extended |= _pax_records(self._small(header))
            elif header.type in _GNU_LONG:
                extended[_GNU_LONG[header.type]] = _text(self._small(header).rstrip(b"\0"))
            elif header.type == tarfile.XGLTYPE:
                self._small(header)
            else:
                yield self._member(header, extended)
                extended = {}
                self._skip()
        if extended:
            raise DamagedError("it ends behind an extended header")

    def data(self) -> Bounded:
        """Return the data of the member that was yielded last, or what is left of them."""
        return self._data

    def _member(self, header: tarfile.TarInfo, extended: dict[str, str]) -> Member:
        name = extended.get("path", header.name)
        kind = _KINDS.get(header.type)
        if kind is None:
            raise NotAnImageError(
                f"the archive's member {shown(name)} is a device, a pipe or of an unknown type",
                hint="no builder of images writes such members; do not trust where this archive came from",
            )
        size = int(extended.get("size", header.size)) if kind == "file" else 0
        if not 0 <= size <= _SIZE_LIMIT:
            raise DamagedError(f"its member {shown(name)} claims {size} bytes")
        link = extended.get("linkpath", header.linkname)
        if kind == "symlink":
            link = posixpath.join(posixpath.dirname(name), link)
        self._data = Bounded(self._file, size)
        target = _target(name, link) if kind in {"symlink", "hardlink"} else ""
        member = Member(inside(name), kind, size, target, self._position)
        self._position += size
        return member

    def _header(self) -> tarfile.TarInfo | None:
        block = read_full(self._file, BLOCK)
        self._position += len(block)
        if not block:
            raise DamagedError("it ends without the end-of-archive mark")
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # not in typeshed
            return None
        except tarfile.HeaderError as error:
            raise DamagedError(f"the header before byte {self._position} is damaged ({error})") from error

    def _small(self, header: tarfile.TarInfo) -> bytes:
        if not 0 <= header.size <= _EXTENSION_LIMIT:
            raise DamagedError(f"an extended header claims {header.size} bytes")
        data = Bounded(self._file, header.size)
        content = b"".join(chunks(data))
        self._position += header.size
        self._data = data
        self._skip()
        return content

    def _skip(self) -> None:
        """Go to the next header: past what is left of the data, and the padding."""
        padding = -self._position % BLOCK
        left, self._data.left = self._data.left + padding, 0
        self._position += padding
        if self._seek is None:
            while left:
                if not (skipped := len(self._file.read(min(left, CHUNK)))):
                    raise DamagedError(f"it ends {left} bytes too early")
                left -= skipped
        elif self._position > self._end:  # a seek would go there in silence
            raise DamagedError(f"it ends {self._position - self._end} bytes too early")
        else:
            self._seek(self._position)


def inside(name: str) -> str:
    """Return `name` relative to the archive's root. NotAnImageError if it leads out of it or has over 4096 characters."""
    if len(name) > NAME_LIMIT:
        raise NotAnImageError(
            f"the archive has a member with a name of more than {NAME_LIMIT} characters",
            hint="no builder of images writes such members; do not trust where this archive came from",
        )
    path = posixpath.normpath(name)
    if name.startswith("/") or path == ".." or path.startswith("../") or "\0" in name:
        raise NotAnImageError(
            f"the archive's member {shown(name)} leads out of the archive",
            hint="nothing was written; do not trust where this archive came from",
        )
    return path


def _target(name: str, link: str) -> str:
    try:
        return inside(link)
    except NotAnImageError as error:
        raise NotAnImageError(
            f"the archive is no image: its link {shown(name)} leads out of it",
            hint="a file system's tarball has such links; point flakeship at an archive as `docker load` takes it",
        ) from error


def shown(name: str) -> str:
    """Return an untrusted name in ASCII, quoted and at most 120 characters of it, for a message."""
    return ascii(name if len(name) <= 120 else name[:117] + "...")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _pax_records(data: bytes) -> dict[str, str]:
    """Parse `LENGTH KEYWORD=VALUE\\n` records, and keep those that say where a member is: pax(1), "Extended Header"."""
    records: dict[str, str] = {}
    data, start = data.rstrip(b"\0"), 0
    while start < len(data):
        length = data[start : start + 10].partition(b" ")[0]
        end = start + int(length) if length.isdigit() else 0
        if not start + len(length) + 1 < end <= len(data):
            raise DamagedError("a pax header is damaged")
        keyword, _, value = data[start + len(length) + 1 : end - 1].partition(b"=")
        if keyword in {b"path", b"linkpath"} or (keyword == b"size" and value.isdigit() and len(value) < 20):
            records[_text(keyword)] = _text(value)
        start = end
    return records
