"""Reads of a repository under the retry that writes have: what fails on the way is asked for again, a blob from where it broke."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from flakeship.http.errors import WireError
from flakeship.image.model import Digest
from flakeship.registry.client import RegistryClient
from flakeship.registry.manifest_answer import Manifest

T = TypeVar("T")

_RESUMED: Final = 100
"""How often one blob is asked for again. A server that breaks off after each byte must not hold us for ever."""


class RepositoryReader:
    """A repository that is only read. `what` names it, or the image in it, in the log.

    Its methods raise what those of RegistryClient raise, after the last try.
    """

    def __init__(self, client: RegistryClient, what: str) -> None:
        self._client, self.what = client, what

    @property
    def name(self) -> str:
        """Return the reference without tag and digest."""
        return self._client.name

    def get_manifest(self, reference: str) -> Manifest | None:
        """Return a manifest or an index, or None without one."""
        return self.retrying("reading of", lambda: self._client.get_manifest(reference))

    def size(self, digest: Digest) -> int | None:
        """Return the size of a blob in bytes, -1 if the registry does not tell it, None without the blob."""
        return self.retrying("look at", lambda: self._client.head_blob(digest))

    @contextlib.contextmanager
    def get_blob(self, digest: Digest) -> Iterator[io.RawIOBase]:
        """Yield the stream of a blob. The caller checks the digest."""
        with BlobReader(self, self._client, digest) as reader:
            yield reader

    def open_blob(self, digest: Digest) -> BlobReader:
        """Return the stream of a blob, which is asked for when it is first read. The caller checks the digest."""
        return BlobReader(self, self._client, digest)

    def retrying(self, verb: str, action: Callable[[], T]) -> T:
        """Do `action` again as long as the retry policy of the registry allows.

        Who sends on what is read here has tries of its own: for these the last error of ours is final.
        """
        try:
            return self._client.retrying(action, what=f"{verb} {self.what}")
        except WireError as error:
            error.transient = False
            raise


class BlobReader(io.RawIOBase):
    """A blob as a file. After a failure it goes on behind the last byte that was read."""

    def __init__(self, repository: RepositoryReader, client: RegistryClient, digest: Digest) -> None:
        super().__init__()
        self._repository, self._client, self._digest = repository, client, digest
        self._opened = contextlib.ExitStack()
        self._stream: io.RawIOBase | None = None
        self._position = 0
        self._failures = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes; b"" at the end."""
        data = self._repository.retrying(f"reading of {self._digest[:19]} of", lambda: self._once(size))
        self._position += len(data)
        return data

    def _once(self, size: int) -> bytes:
        try:
            if self._stream is None:
                self._stream = self._opened.enter_context(
                    self._client.get_blob(self._digest, start=self._position)
                )
            return self._stream.read(size) or b""
        except WireError as error:
            self._drop()
            self._failures += 1
            if self._failures > _RESUMED:
                error.transient = False
            raise

    def _drop(self) -> None:
        self._stream = None
        self._opened.close()

    def close(self) -> None:
        """Give the connection back."""
        self._drop()
        super().close()
