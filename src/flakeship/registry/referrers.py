"""What is attached to a manifest: the registry's own list, and the index under a tag that stands in for it where a registry has none.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md#enabling-the-referrers-api. Several registries have answered 2xx with an
empty list although something was attached: what a list names is believed, and what it does not name proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from flakeship.errors import NotAllowedError, UnreachableError
from flakeship.image.document import DOCUMENT_LIMIT, encode
from flakeship.image.media_types import OCI
from flakeship.image.model import Descriptor, Digest, parse_digest
from flakeship.registry.client import RegistryClient
from flakeship.registry.errors import DeniedError, RegistryError, is_passing
from flakeship.registry.shared_tag import SharedTag

T = TypeVar("T")

_UNKNOWN: Final = frozenset({"MANIFEST_BLOB_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN"})
"""By these codes registries refuse an index that names what they do not hold."""


class Referrers:
    """The referrers of the manifests of one repository. Its methods may be called by several threads.

    They raise what those of RegistryClient raise; with `whole` also RejectedError for a list that does not end.
    """

    def __init__(self, client: RegistryClient, *, whole: bool = False) -> None:
        self._client, self._whole = client, whole
        self._has_api = True

    def of(self, digest: Digest) -> tuple[Descriptor, ...]:
        """Return what is attached to a manifest, each once: what the registry lists, then what the index lists.

        The index is read in any case: it stays when a registry gets the API, and lists what was attached before.
        """
        found: dict[Digest, Descriptor] = {}
        for each in (*(self._listed(digest) or ()), *_entries(self._index(digest).read())):
            found.setdefault(each.digest, each)
        return tuple(found.values())

    def add(self, digest: Digest, entries: Sequence[Descriptor]) -> bool:
        """Make sure that these manifests, which are there already, are found as referrers of `digest`; False if they were.

        NotAllowedError where something else has the tag of the index; UnreachableError where entries are lost each time.
        """
        listed = self._listed(digest)
        if listed is not None and not _lacking(listed, entries):
            return False
        return self._index(digest).extend(
            lambda index: not _lacking(_entries(index), entries),
            lambda index: self._write(digest, _merged(index, _lacking(_entries(index), entries))),
            lost=lambda times: UnreachableError(
                f"the list of what is attached to {self._client.name}@{digest} was written {times}, and lacks entries of this run",
                hint="run again: others write the same list at the same time",
            ),
        )

    def _listed(self, digest: Digest) -> tuple[Descriptor, ...] | None:
        """Return what the API lists; None if the registry has no such API."""
        if not self._has_api:
            return None
        try:
            found = self._retrying(
                "look at what is attached to", lambda: self._client.referrers(digest, whole=self._whole)
            )
        except (DeniedError, RegistryError) as error:
            if is_passing(error):
                raise
            found = None
        if found is None:
            self._has_api = False
            return None
        return tuple(_descriptors(found))

    def _index(self, digest: Digest) -> SharedTag:
        """The tag of the index."""
        tag = fallback_tag(digest)
        return SharedTag(
            self._client,
            tag,
            "manifests",
            taken=f"the tag {self._client.name}:{tag} is no index, although what is attached to {digest} has to be listed there",
            hint="delete that tag, and use it for nothing else",
        )

    def _write(self, digest: Digest, document: Mapping[str, Any]) -> None:
        data = encode(document)
        if len(data) > DOCUMENT_LIMIT:
            raise NotAllowedError(
                f"the list of what is attached to {self._client.name}@{digest} would have more than 4 MiB",
                hint=f"delete the tag {fallback_tag(digest)}, and run again",
            )
        try:
            self._put(digest, data)
        except RegistryError as error:
            if not _UNKNOWN & set(error.answer.codes):
                raise
            whole = self._without_gone(document)
            if whole == document:
                raise
            # docs/decisions.md#what-is-gone-is-listed-no-more
            self._put(digest, encode(whole))

    def _put(self, digest: Digest, data: bytes) -> None:
        tag = fallback_tag(digest)
        self._retrying("attaching to", lambda: self._client.put_manifest(tag, data, media_type=OCI.index))

    def _without_gone(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The index without the manifests that its repository does not hold any more."""

        def is_there(entry: Any) -> bool:
            digest = str(entry.get("digest")) if isinstance(entry, dict) else ""
            return (
                bool(digest)
                and self._retrying("look at", lambda: self._client.head_manifest(digest)) is not None
            )

        return {**document, "manifests": [entry for entry in document["manifests"] if is_there(entry)]}

    def _retrying(self, verb: str, action: Callable[[], T]) -> T:
        return self._client.retrying(action, what=f"{verb} {self._client.name}")


def fallback_tag(digest: Digest) -> str:
    """The tag of the index, for a registry without the API.

    https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema
    """
    algorithm, _, value = digest.partition(":")
    return f"{algorithm[:32]}-{value[:64]}"


def _merged(index: Mapping[str, Any], entries: Iterable[Descriptor]) -> dict[str, Any]:
    """The index with these entries behind its own, in place of what it says of the same manifests."""
    ours: dict[str, Any] = {entry.digest: entry.to_json() for entry in entries}
    others = [
        entry
        for entry in index.get("manifests", ())
        if not (isinstance(entry, dict) and str(entry.get("digest")) in ours)
    ]
    return {
        **index,
        "schemaVersion": 2,
        "mediaType": OCI.index,
        "manifests": [*others, *ours.values()],
    }


def _lacking(found: Sequence[Descriptor], wanted: Sequence[Descriptor]) -> list[Descriptor]:
    """Those that are not listed, or without the type by which verifiers look for them."""
    there = {(each.digest, each.artifact_type) for each in found}
    return [each for each in wanted if (each.digest, each.artifact_type) not in there]


def _entries(index: Mapping[str, Any]) -> tuple[Descriptor, ...]:
    return tuple(_descriptors(index.get("manifests", ())))


def _descriptors(entries: Iterable[Any]) -> Iterable[Descriptor]:
    """The descriptors among these entries; what is malformed is passed over."""
    for entry in entries:
        try:
            noted = entry.get("annotations")
            size, kind = entry["size"], entry.get("artifactType")
            if type(size) is not int or size < 0:
                continue
            yield Descriptor(
                str(entry["mediaType"]),
                parse_digest(entry["digest"]),
                size,
                {str(key): str(text) for key, text in noted.items()} if isinstance(noted, dict) else {},
                artifact_type=kind if isinstance(kind, str) else "",
            )
        except (KeyError, TypeError, AttributeError, ValueError):
            continue
