"""An image that comes once, through a pipe or from an engine: kept in a file, because readers open it several times."""

from __future__ import annotations

import itertools
import os
import select
import stat
import sys
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Final

from flakeship import events
from flakeship.errors import NotAnImageError, ResourceError, UsageError, advice, is_disk_full
from flakeship.image.inflate import is_compressed
from flakeship.image.stream import CHUNK
from flakeship.image.tar.blocks import BLOCK
from flakeship.image.tar.reader import is_tar

_DOCUMENT_LIMIT: Final = 64 << 20
"""Bytes. A document that tells of an image, nix2container's, is far smaller; what has no end is not kept until the disk is full."""
_STORE: Final = b"/nix/store/"
_SEE: Final = "see what the program at the other end of the pipe says"
_STDIN_FILE: Final = Path("/dev/stdin")


def check_stdin(handle: int) -> None:
    """UsageError where nobody pipes anything: stdin is a terminal."""
    if os.isatty(handle):
        raise UsageError(
            "the image is to come through stdin (`-`), and stdin is a terminal",
            hint="pipe it in: `./result | flakeship publish - REFERENCE`, or `… | flakeship inspect -`",
        )


def stdin_file(handle: int) -> Path | None:
    """The path of a whole file that stdin was redirected from, which can be read where it lies; None for all else.

    Linux alone opens it anew by that path; others share the place up to which it was read.
    """
    if handle or sys.platform != "linux" or not stat.S_ISREG(os.fstat(handle).st_mode):
        return None
    untouched = os.lseek(handle, 0, os.SEEK_CUR) == 0
    return _STDIN_FILE if untouched and os.access(_STDIN_FILE, os.R_OK) else None


def pieces_of(handle: int | Path, what: str) -> Generator[bytes, None, None]:
    """What comes through a pipe, until its other end is closed. UsageError where it can't be read."""
    try:
        opened = os.open(handle, os.O_RDONLY) if isinstance(handle, Path) else os.dup(handle)
        try:
            while data := _read(opened):
                yield data
        finally:
            os.close(opened)
    except OSError as error:
        raise UsageError(
            f"can't read the image from {what}: {error.strerror}",
            hint="pipe it in, or write it to a file and name that by `source`",
        ) from error


def _read(handle: int) -> bytes:
    """What is there, or comes next. Whoever has started us may have left its end of the pipe so that reads don't wait."""
    while True:
        try:
            return os.read(handle, CHUNK)
        except BlockingIOError:
            waiting = select.poll()
            waiting.register(handle, select.POLLIN)
            waiting.poll()


def spooled(pieces: Generator[bytes, None, None], file: Path, *, what: str, emit: events.Emit) -> None:
    """Write all that comes to `file`, a new one in the run's folder.

    NotAnImageError for nothing, and for what is no image by its first bytes, of which no more is read then; ResourceError
    where the disk is full.
    """
    try:
        head, rest = _begun(pieces)
        limit = _limit_of(head, what)
        _write(itertools.chain([head], rest), file, limit, what=what, emit=emit)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    finally:
        pieces.close()


def _begun(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """At least the first block of what comes, where there is as much."""
    head = b""
    while len(head) < BLOCK and (piece := next(pieces, b"")):
        head += piece
    return head, pieces


def _limit_of(head: bytes, what: str) -> int | None:
    """The bytes that such a thing may have, None for any number. NotAnImageError for what is no image."""
    if is_compressed(head) or (is_tar(head) and any(head[:BLOCK])):
        return None
    if head.lstrip()[:1] == b"{":
        return _DOCUMENT_LIMIT
    if not head:
        raise NotAnImageError(
            f"nothing came through {what}",
            hint=f"{_SEE}; `set -o pipefail` lets a shell heed how it ends",
        )
    if head.startswith(b"#!"):
        found, hint = "a script", "pipe what the script writes, or name the script by `source`"
    elif head.startswith(_STORE):
        found, hint = "the name of a store path", 'name the path by `source`: --source "$(nix build …)"'
    elif not any(head):
        found, hint = "nothing but zeros", _SEE
    else:
        # its words are not repeated: they may be a password that was meant for --password-stdin
        found = "text" if head.isascii() and b"\0" not in head else "of a kind that flakeship does not know"
        hint = "let the program at the other end write the archive alone to stdout, and all else to stderr"
    raise NotAnImageError(f"what comes through {what} is no image: it is {found}", hint=hint)


def _write(pieces: Iterable[bytes], file: Path, limit: int | None, *, what: str, emit: events.Emit) -> None:
    size = 0
    try:
        # buffered, for a raw file takes a part of what is written, in silence, where the disk is almost full
        with file.open("xb") as out:
            for piece in pieces:
                size += len(piece)
                if limit is not None and size > limit:
                    raise NotAnImageError(
                        f"what comes through {what} is no image: it is a document of more than {limit} bytes",
                        hint=_SEE,
                    )
                out.write(piece)
                emit(events.BytesMoved("piped", len(piece)))
    except OSError as error:  # of the file: what goes wrong in reading has become an Error
        folder = file.parent.parent
        why = "no space left" if is_disk_full(error) else error.strerror
        raise ResourceError(
            f"can't keep what comes through {what} in {folder}: {why}, after {size} bytes",
            hint=advice(error, "set TMPDIR to a folder that can be written to")
            + ", or set TMPDIR to a folder on a larger disk" * is_disk_full(error),
        ) from error
