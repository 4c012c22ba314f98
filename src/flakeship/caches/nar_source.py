"""A cache as a source of NARs: which paths it has, and their bytes, for a reader of ours in the place of Nix."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from flakeship.caches.loopback.served import Served
from flakeship.caches.nar_entry import NarInfo, parse_narinfo
from flakeship.image.inflate import uncompressed
from flakeship.image.model import SourceGoneError
from flakeship.image.stream import Reader, Wrapper
from flakeship.image.tar.blocks import DamagedError

_READABLE: Final = frozenset({"none", "xz", "bzip2", "gzip", "zstd"})
"""Of the compressions that Nix knows, those that `image.inflate` reads."""


@dataclass(frozen=True, slots=True)
class NarSource:
    """`name` is how messages call the cache. What it has needs no signature where it is `trusted`.

    `used` is told the 32 letters of each path that an image was made with, also where its bytes were not needed; `lose` those of one
    that is not what the cache says, so that Nix is not given it either.
    """

    name: str
    served: Served
    trusted: bool
    used: Callable[[str], None] = lambda _: None
    lose: Callable[[str], None] = lambda _: None

    def info(self, path: str, hash_part: str) -> NarInfo | None:
        """Return what the cache knows of a store path; None where it does not have it, or in a form that can't be read here."""
        try:
            data = self.served.narinfo(hash_part)
            found = parse_narinfo(data) if data else None
        except Exception:  # noqa: BLE001 - a cache that fails does not have it; it tells by itself what is wrong
            return None
        return found if found and found.path == path and found.compression in _READABLE else None

    @contextlib.contextmanager
    def nar(self, info: NarInfo) -> Iterator[Reader]:
        """Yield the NAR of a path, inflated, of which a read raises SourceGoneError unless it is whole and the right one."""
        with contextlib.ExitStack() as scope:
            try:
                found = self.served.nar(info.url.removeprefix("nar/"))
                nar = scope.enter_context(found) if found else None
                reader = uncompressed(nar.reader) if nar else None
            except DamagedError as error:
                raise self.damaged(info, str(error)) from error
            except Exception as error:  # as above
                raise self.gone(info, error) from error
            if reader is None:
                raise self.gone(info)
            yield scope.enter_context(_Checked(reader, info, self))

    def gone(self, info: NarInfo, error: Exception | None = None) -> SourceGoneError:
        """Return the error for a NAR that does not come."""
        why = f": {error.strerror if isinstance(error, OSError) else error}" if error else ""
        return SourceGoneError(
            f"{self.name} does not give {info.path}, which it says it has{why}",
            is_told=self.served.has_warned,
        )

    def damaged(self, info: NarInfo, why: str) -> SourceGoneError:
        """Return the error for a NAR that is not the one that was stated, or that no Nix can unpack, and use it no more."""
        self.lose(info.hash_part)
        return SourceGoneError(
            f"{self.name} holds a wrong {info.path}: {why}", is_told=self.served.has_warned
        )


class _Checked(Wrapper):
    """A NAR whose end is given only when all of it has the hash and the size that were told."""

    def __init__(self, reader: Reader, info: NarInfo, source: NarSource) -> None:
        super().__init__(reader)
        self._info, self._source = info, source
        self._hash, self._size, self._ended = hashlib.sha256(), 0, False

    def read(self, size: int = -1, /) -> bytes:
        if self._ended or size == 0:
            return b""
        try:
            data = self._reader.read(size)
        except DamagedError as error:
            raise self._source.damaged(self._info, str(error)) from error
        except Exception as error:
            raise self._source.gone(self._info, error) from error
        self._hash.update(data)
        self._size += len(data)
        if self._size > self._info.nar_size:
            raise self._source.damaged(self._info, "it is larger than was stated")
        if not data:
            if self._size != self._info.nar_size or self._hash.digest() != self._info.nar_hash:
                raise self._source.damaged(self._info, "it does not have the hash that was stated")
            self._ended = True
        return data
