"""A document under a tag that others may write at the same time: it is read back after each write, and written again if ours is lost.

The distribution-spec has no conditional PUT, so two writers who read the same document overwrite each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flakeship.errors import NotAllowedError, UnreachableError
from flakeship.image.document import decode_object
from flakeship.registry.client import RegistryClient

_TRIES: Final = 3
"""How often a document is written: another writer that read it in the same moment takes our entries away."""


@dataclass(frozen=True, slots=True)
class SharedTag:
    """A tag of one repository, and the manifest or index behind it.

    `entries` is the key of the list that makes a document one of ours. `taken` and `hint` are for the NotAllowedError that
    is raised where something else has the tag.
    """

    client: RegistryClient
    tag: str
    entries: str
    taken: str
    hint: str

    def read(self) -> dict[str, Any]:
        """Return the document; {} without one."""
        found = self.client.retrying(
            lambda: self.client.get_manifest(self.tag), what=f"look at {self.client.name}"
        )
        if found is None:
            return {}
        try:
            document = decode_object(found.data)
        except ValueError:
            document = {}
        if not isinstance(document.get(self.entries), list):
            raise NotAllowedError(self.taken, hint=self.hint)
        return document

    def extend(
        self,
        holds: Callable[[Mapping[str, Any]], bool],
        write: Callable[[Mapping[str, Any]], None],
        *,
        lost: Callable[[str], UnreachableError],
    ) -> bool:
        """Let `write` add ours to the document until it `holds` ours; return False if it does already.

        If others overwrite it each time, `lost` makes the error from how often it was written.
        """
        for turn in range(_TRIES + 1):
            document = self.read()
            if holds(document):
                return turn > 0
            if turn < _TRIES:
                write(document)
        raise lost(f"{_TRIES} times")
