"""NARs → the tar that `writer` makes of the same store paths where they lie on this machine, on the fly."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing

from flakeship.image.nar.reader import NarReader
from flakeship.image.stream import Joined, Pieces, Reader
from flakeship.image.tar.header import END, padding
from flakeship.image.tar.writer import file_header, folder_header, folders_above, link_header

MembersOf = Callable[[Sequence[bytes]], Pieces]


def tar_of_nars(paths: Iterable[str], members_of: MembersOf) -> Joined:
    """Open the tar of these paths. `members_of` yields the members of several paths, in their order."""
    return Joined(_pieces([os.fsencode(path) for path in paths], members_of))


def _pieces(paths: Sequence[bytes], members_of: MembersOf) -> Pieces:
    yield folders_above(paths)
    yield from members_of(paths)
    yield END


# docs/decisions.md#nars-become-tar-on-the-fly
def members_of_nar(top: bytes, nar: Reader) -> Pieces:
    """Yield the members of one store path, as `writer.members_of` does of one that lies here. DamagedNarError as NarReader."""
    reader = NarReader(nar)
    for entry in reader:
        path = top + b"/" + entry.path if entry.path else top
        if entry.kind == "folder":
            yield folder_header(path)
        elif entry.kind == "symlink":
            yield link_header(path, entry.target)
        else:
            yield file_header(path, program=entry.program, size=entry.size)
            with closing(reader.content()) as content:
                yield from content
            if rest := padding(entry.size):
                yield rest
