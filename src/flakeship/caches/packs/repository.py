"""Where roots are kept, as their reader and their writer use it; and how one root is read there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

from flakeship.caches.packs.index import SLACK, Index, LaterVersionError, decode
from flakeship.caches.packs.manifest import NotARootError, RootManifest, decode_manifest
from flakeship.caches.packs.root import is_root
from flakeship.errors import Error, NotAnImageError, UsageError
from flakeship.image.model import Digest
from flakeship.image.stream import Reader

_EARLIEST: Final = 1767225600
"""2026 began: a clock that shows less was never set."""


class StoredManifest(Protocol):
    """A manifest, and the digest of its bytes."""

    @property
    def data(self) -> bytes: ...

    @property
    def digest(self) -> Digest: ...


class GoneError(Error):
    """A blob that a root names is not there any more."""

    exit_code = 6


class Repository(Protocol):
    """A repository of a registry, or an OCI layout. Its methods may be called by several threads, and raise an Error."""

    @property
    def name(self) -> str:
        """How messages call it."""
        ...

    @property
    def moved(self) -> float:
        """When a byte of an upload was last taken, by the monotonic clock."""
        ...

    @property
    def time(self) -> float | None:
        """The seconds since 1970 by a clock that all runs share; None if this place has no clock, or has not been asked yet."""
        ...

    @property
    def is_damaged(self) -> bool:
        """Whether the place itself turned out to be damaged, as far as it was looked at. `put` mends it."""
        ...

    def tags(self) -> Sequence[str]:
        """Return all tags; none where there is no such repository yet."""
        ...

    def manifest(self, tag: str) -> StoredManifest | None:
        """Return what a tag names, None without it."""
        ...

    def named(self, tag: str) -> Digest | None:
        """Return the digest of what a tag names, None without it."""
        ...

    def put(self, tag: str, manifest: bytes, *, instead_of: Digest | None) -> bool:
        """Let a tag name this manifest, all of whose blobs are there, in place of that one. GoneError if a blob is not there.

        False if the tag names something else by now. A registry can't compare and set at once, so that there a moment is
        left in which another run's manifest is replaced: https://github.com/opencontainers/distribution-spec/issues/250.
        """
        ...

    def blob(self, digest: Digest, size: int) -> bytes:
        """Return a whole small blob, whose digest was checked. GoneError without it."""
        ...

    def holds(self, digest: Digest, size: int) -> bool:
        """Tell whether a blob is there."""
        ...

    def be_asked(self, count: int) -> None:
        """Note that so many requests will be made at once. Nothing is waited for."""
        ...

    def part(self, digest: Digest, start: int, length: int) -> AbstractContextManager[Reader | None]:
        """Yield a stream of a part of a blob; None if this place has no parts to give. GoneError without the blob."""
        ...

    def whole(self, digest: Digest) -> AbstractContextManager[Reader]:
        """Yield a stream of a blob. GoneError without it."""
        ...

    def upload(self, digest: Digest, size: int, open_: Callable[[], BinaryIO]) -> None:
        """Return when the blob is there."""
        ...

    def delete(self, tag: str, digest: Digest) -> bool:
        """Remove a tag that names this manifest; False if it names something else by now. NotAllowedError if that is not for us to do here."""
        ...

    def tidy(self) -> int:
        """Remove what no tag leads to, if that is ours to do; return the bytes that this freed."""
        ...

    def end(self) -> None:
        """Begin no further upload, and let those that wait for another try go. Returns at once."""
        ...


class ChangedError(Error):
    """A root is not what it was when it was read."""

    exit_code = 6


@dataclass(frozen=True, slots=True)
class StoredRoot:
    """A root as it was read, and the digest of its manifest."""

    tag: str
    digest: Digest
    manifest: RootManifest
    index: Index


# docs/decisions.md#a-cache-goes-by-the-registrys-clock
def time_for(repository: Repository, now: float) -> float:
    """Return the seconds since 1970 that last uses are compared with: `now`, unless the clock that all runs share is far from it."""
    shared = repository.time
    return now if shared is None or shared < _EARLIEST or abs(shared - now) <= SLACK else shared


def check_others(repository: Repository) -> None:
    """UsageError for a repository with tags that are no roots, before a first root is put beside them."""
    others = [tag for tag in repository.tags() if not is_root(tag)]
    if others:
        raise UsageError(
            f"{repository.name} holds other things than a cache, such as the tag {others[0]}",
            hint="name a repository for the cache alone by `nix-cache: docker://REFERENCE`",
        )


_READS: Final = 4
"""Times that a root is read which other runs replace again and again while it is read."""


def read_root(repository: Repository, tag: str) -> StoredRoot | None:
    """Read a root, None without it.

    UsageError if the tag names something else, or is of a later flakeship; NotAnImageError or GoneError if it is damaged.
    """
    root, damaged = root_or_damaged(repository, tag)
    if damaged:
        raise damaged.error
    return root


@dataclass(frozen=True, slots=True)
class Damaged:
    """A root that can't be read: the digest that its tag names, None if the tag is gone, and why."""

    digest: Digest | None
    error: NotAnImageError | GoneError


def root_or_damaged(repository: Repository, tag: str) -> tuple[StoredRoot | None, Damaged | None]:
    """Read a root; (None, None) without it. UsageError as from `read_root`, NotAnImageError or GoneError if it never stands still.

    In a folder what another run replaces is gone at once, also for who has begun to read it. So a root is damaged only if its
    tag still names the same when it could not be read a second time.
    """
    before: Damaged | None = None
    for _ in range(_READS):
        try:
            stored = repository.manifest(tag)
            return (_parsed(repository, tag, stored) if stored else None), None
        except (NotAnImageError, GoneError) as error:
            now = Damaged(repository.named(tag), error)
        if before and before.digest == now.digest:
            return None, now
        before = now
    assert before is not None
    raise before.error


def _parsed(repository: Repository, tag: str, stored: StoredManifest) -> StoredRoot:
    """Read the root of a manifest that was read. Raises what `read_root` raises."""
    where = f"{repository.name}:{tag}"
    try:
        manifest = decode_manifest(stored.data)
        index = decode(repository.blob(*manifest.index), manifest.packs)
    except NotARootError as error:
        raise UsageError(
            f"{where} is no cache of flakeship: {error}",
            hint="name a repository for the cache alone by `nix-cache: docker://REFERENCE`",
        ) from error
    except LaterVersionError as error:
        raise UsageError(
            f"the cache {where} was written by a later flakeship: {error}",
            hint="use that version here too, or name another repository by `nix-cache`",
        ) from error
    except ValueError as error:
        raise NotAnImageError(
            f"the index of the cache {where} is damaged: {error}",
            hint="run `flakeship cache prune` to remove it; the next build fills it anew",
        ) from error
    return StoredRoot(tag, stored.digest, manifest, index)
