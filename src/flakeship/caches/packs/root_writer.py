"""How a root is written: merged with what it holds by now, put in its place, and read back."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Final

from flakeship.caches.packs.index import (
    Index,
    aged,
    encode,
    merged,
    signed_anew,
    touched,
    without,
)
from flakeship.caches.packs.manifest import (
    CONFIG,
    MOST_PACKS,
    PATHS,
    ROOT,
    SOURCE,
    RootManifest,
    decode_manifest,
    encode_manifest,
)
from flakeship.caches.packs.repository import (
    ChangedError,
    GoneError,
    Repository,
    StoredRoot,
    check_others,
    root_or_damaged,
)
from flakeship.caches.place import Limits
from flakeship.errors import ResourceError, UnreachableError
from flakeship.image.model import Digest, digest_of

_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Merging:
    """What an index is merged by: what was used, damaged and gone in this run, the moment in seconds since 1970, and
    whether the root was read before, or found to be missing.
    """

    used: Collection[str]
    damaged: set[str]
    gone: set[Digest]
    now: int
    was_read: bool


class RootWriter:
    """Writes the root `tag`. Its methods raise what the repository raises. `source` is the URL of the project."""

    def __init__(self, repository: Repository, tag: str, *, limits: Limits, source: str) -> None:
        self._repository, self._tag, self._limits, self._source = repository, tag, limits, source
        self._sent: dict[Digest, Future[None]] = {}
        """What was sent before it was needed."""

    def send_ahead(
        self,
        own: Index,
        merging: Merging,
        stored: StoredRoot | None,
        *,
        beside: Callable[[Callable[[], None]], Future[None]],
    ) -> None:
        """Send the index beside the packs that it names, and the first config: mostly the root then is what is expected now."""
        index, _ = encode(self._whole(own, merging, stored.index if stored else Index()))
        for content in (index,) if stored else (index, CONFIG):
            self._sent[digest_of(content)] = beside(partial(self._upload, content))

    def _upload(self, content: bytes) -> None:
        self._repository.upload(digest_of(content), len(content), partial(io.BytesIO, content))

    # docs/decisions.md#a-root-is-merged-and-not-locked
    def write(
        self, own: Index, merging: Merging, known: StoredRoot | None, *, alone: bool
    ) -> tuple[StoredRoot, Index]:
        """Write the root. `known` is what it was when the run began, which mostly is what it is: `put` finds out.

        Where it must be `alone`, ChangedError if the root is another one by now. What is returned besides the root is `own`
        without what lay in packs that are gone; what of that is not in the root has no room there.
        """
        was_read, overtaken = merging.was_read or known is not None, False
        for tried in range(_TRIES + was_read):
            if was_read and not tried:
                whole = self._whole(own, merging, known.index if known else Index())
                there = known.digest if known else None
            else:
                whole, there = self._merged(own, merging)
            if alone and known and there != known.digest:
                raise ChangedError(f"another run writes the root {self._tag}")
            if there is None:
                check_others(self._repository)
            manifest = self._manifest(whole, has_config=bool(known) and not tried)
            try:
                if not self._repository.put(self._tag, manifest, instead_of=there):
                    overtaken = True  # another run has written meanwhile
                    continue
            except GoneError:
                merging.gone.update(self._missing(whole))
                own = without(own, packs=merging.gone)
                continue
            digest, now = digest_of(manifest), self._repository_digest()
            overtaken = overtaken or now not in (there, digest)
            if now == digest:
                return StoredRoot(self._tag, digest, decode_manifest(manifest), whole), own
        if not overtaken:
            raise UnreachableError(
                f"{self._repository.name} does not have what it answered that it took",
                hint="check what stands between this machine and the registry, and run again",
            )
        raise ResourceError(
            "other runs write the same root again and again",
            hint="give runs that run at once other refs or attributes",
        )

    def _repository_digest(self) -> Digest | None:
        stored = self._repository.manifest(self._tag)
        return stored.digest if stored else None

    def _merged(self, own: Index, merging: Merging) -> tuple[Index, Digest | None]:
        """Read the root; return what it is to hold, and the digest of what it holds now. UsageError if that is no root of ours."""
        stored, damaged = root_or_damaged(self._repository, self._tag)
        if damaged:  # only what this run has can be kept
            return self._whole(own, merging, Index()), damaged.digest
        return self._whole(
            own, merging, stored.index if stored else Index()
        ), stored.digest if stored else None

    def _whole(self, own: Index, merging: Merging, held: Index) -> Index:
        """Return what a root is to hold that holds this."""
        limits, now = self._limits, merging.now
        other = without(held, parts=merging.damaged | signed_anew(held, own), packs=merging.gone)
        both = merged(touched(other, merging.used, now=now), own)
        return aged(both, now=now, days=limits.days, size=limits.size, packs=MOST_PACKS)

    def _missing(self, index: Index) -> set[Digest]:
        return {digest for digest, size in index.packs.items() if not self._repository.holds(digest, size)}

    def _manifest(self, index: Index, *, has_config: bool) -> bytes:
        """Send the index, and the config unless the repository has it with the root that is there; return the manifest."""
        data, packs = encode(index)
        annotations: Mapping[str, str] = {
            ROOT: self._tag,
            PATHS: str(len(index.held)),
            **({SOURCE: self._source} if self._source else {}),
        }
        manifest = RootManifest(
            (digest_of(data), len(data)),
            tuple((digest, index.packs[digest]) for digest in packs),
            annotations,
        )
        for content in (data,) if has_config else (data, CONFIG):
            if not self._is_sent(digest_of(content)):
                self._upload(content)
        return encode_manifest(manifest)

    def _is_sent(self, digest: Digest) -> bool:
        """Whether this was sent beside the packs. What failed there is tried once more, and then told."""
        sent = self._sent.pop(digest, None)
        with contextlib.suppress(Exception):
            return sent is not None and sent.result() is None
        return False
