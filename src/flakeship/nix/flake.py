"""Where a flake's source comes from: read the JSON of `nix flake metadata`, as Nix 2.8 to 2.34 print it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from flakeship.nix.addresses import without_secrets
from flakeship.nix.command import Nix
from flakeship.nix.explain import query_installable
from flakeship.nix.installable import Installable

_VERSIONED: Final = ("git", "github", "gitlab", "sourcehut", "hg", "mercurial")


@dataclass(frozen=True, slots=True)
class FlakeMetadata:
    """The locked source of a flake. `url` holds no password and no token.

    `revision` is None if the source is dirty or not under version control. `last_modified` is the time of the commit in
    seconds since 1970; None if there is only the time of a file, which changes with each checkout. `inputs` are the
    names of the inputs that its lock file has.
    """

    url: str
    revision: str | None
    last_modified: int | None
    dirty: bool
    inputs: frozenset[str] = frozenset()
    answer: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """Nix's whole answer, of which `nix.lock` reads the lock for those who ask; its addresses may hold secrets."""


def flake_metadata(nix: Nix, installable: Installable) -> FlakeMetadata:
    """Return the metadata of the installable's flake, which Nix fetches if it is remote.

    It raises the errors that a build raises.
    """
    return read_metadata(
        query_installable(nix, installable, "flake metadata", "--json", "--", installable.flake)
    )


def source_of(nix: Nix, installable: Installable) -> FlakeMetadata | None:
    """Return the metadata of the flake; None for an installable of a file, whose source Nix does not know."""
    return flake_metadata(nix, installable) if installable.flake else None


def read_metadata(document: dict[str, Any]) -> FlakeMetadata:
    """Read what `nix flake metadata --json` prints."""
    locked = document.get("locked", {})
    versioned = locked.get("type") in _VERSIONED
    revision = document.get("revision") or locked.get("rev")
    return FlakeMetadata(
        url=without_secrets(document.get("url", "")),
        revision=revision,
        last_modified=document.get("lastModified", locked.get("lastModified")) if versioned else None,
        dirty=versioned and revision is None,
        inputs=_inputs(document.get("locks") or {}),
        answer=document,
    )


def _inputs(locks: dict[str, Any]) -> frozenset[str]:
    root = locks.get("nodes", {}).get(locks.get("root", "root"), {})
    return frozenset(root.get("inputs", {}))
