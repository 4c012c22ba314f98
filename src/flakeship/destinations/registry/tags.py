"""The tags of one repository: in which order they are set, what one may be set to, and whether it was."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Final

from flakeship.destinations.protocol import Tagging
from flakeship.destinations.registry.manifests import Manifests
from flakeship.errors import NotAllowedError
from flakeship.events import Emit, Notice, Warned
from flakeship.http.errors import WireError
from flakeship.image.model import Digest, Packed, PackedIndex
from flakeship.registry.errors import DeniedError, RegistryError, is_passing

_IMMUTABLE: Final = re.compile(r"immutable|already exists|overwrit", re.IGNORECASE)


class Tags:
    """The tags of the repository `name` (`ghcr.io/owner/name`)."""

    def __init__(self, name: str, manifests: Manifests, *, emit: Emit) -> None:
        self._name, self._manifests, self._emit = name, manifests, emit

    def taggings(
        self, packed: Packed | PackedIndex, current: Mapping[str, Digest | None], *, alone: bool
    ) -> tuple[tuple[Tagging, ...], ...]:
        """Return what sets the names: those that are new at once, then one by one those that name another image.

        `current` has the digest that each tag names now.
        docs/decisions.md#new-names-at-once-others-in-turn
        """
        digest = packed.descriptor.digest
        taggings = {
            tag: Tagging((f"{self._name}:{tag}@{digest}",), partial(self._write, packed, tag, there))
            for tag, there in current.items()
        }
        new = [taggings[tag] for tag, there in current.items() if there in (None, digest)]
        moved = [taggings[tag] for tag, there in current.items() if there not in (None, digest)]
        # it brings the manifest, which others of the same moment would bring as well
        first = new[: int(alone)]
        return tuple(filter(None, (tuple(first), tuple(new[len(first) :]), *((each,) for each in moved))))

    def check(self, tag: str, digest: Digest) -> None:
        """Read a tag back that was set. WireError if neither it nor the manifest is there; a warning if it was moved."""
        try:
            there = self._manifests.digest_of_tag(tag)
        except (DeniedError, RegistryError) as error:
            if is_passing(error):
                raise
            self._emit(Notice(f"{self._name}:{tag} was set, but can't be read back: {error}"))
            return
        if there == digest:
            return
        if not self._manifests.holds(digest):
            raise WireError(
                f"{self._name} accepted {digest} and the tag {tag}, but has neither: the tag is {there}",
                hint="check that this is the registry, and not something in front of it that accepts everything",
                transient=False,
            )
        self._emit(
            Warned(
                f"{self._name}:{tag} was set to {digest}, but is {there} now",
                "use the digest: somebody else pushed the same tag at the same time",
            )
        )

    def _write(self, packed: Packed | PackedIndex, tag: str, current: Digest | None) -> None:
        digest = packed.descriptor.digest
        if current == digest:
            self._emit(Notice(f"{self._name}:{tag} is unchanged"))
            return
        try:
            self._manifests.put(packed, tag)
        except (NotAllowedError, RegistryError) as error:
            there = self._manifests.digest_at(tag)
            if there == digest:  # the first try succeeded unnoticed, and the second met an immutable tag
                return
            if there and _IMMUTABLE.search(error.message):
                raise NotAllowedError(
                    f"the tag {self._name}:{tag} is immutable and names another image: {there}",
                    hint="choose a new tag, or allow this one to be moved in the settings of the registry",
                ) from error
            raise
