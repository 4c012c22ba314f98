"""Where a flake's source comes from: `nix flake metadata`, for Nix 2.8 to 2.34."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from flakeship.nix.command import Nix
from flakeship.nix.explain import query_installable
from flakeship.nix.installable import Installable

_VERSIONED: Final = ("git", "github", "gitlab", "sourcehut", "hg", "mercurial")


@dataclass(frozen=True, slots=True)
class FlakeMetadata:
    """The locked source. `url` holds no password; `revision` is None if the source is dirty or not in git.

    `last_modified` is the commit's time in seconds since the epoch; None where there is only a file's time,
    which is another one after each checkout.
    """

    url: str
    revision: str | None
    last_modified: int | None
    dirty: bool


def flake_metadata(nix: Nix, installable: Installable) -> FlakeMetadata:
    """Ask which source it is. Fetches it if it is remote; the errors are those of a build."""
    return read_metadata(
        query_installable(nix, installable, "flake metadata", "--json", "--", installable.flake)
    )


def source_of(nix: Nix, installable: Installable) -> FlakeMetadata | None:
    """None for a file, whose source Nix does not know."""
    return flake_metadata(nix, installable) if installable.flake else None


def read_metadata(document: dict[str, Any]) -> FlakeMetadata:
    """Read what `nix flake metadata --json` prints."""
    locked = document.get("locked", {})
    versioned = locked.get("type") in _VERSIONED
    revision = document.get("revision") or locked.get("rev")
    return FlakeMetadata(
        url=_without_password(document.get("url", "")),
        revision=revision,
        last_modified=document.get("lastModified", locked.get("lastModified")) if versioned else None,
        dirty=versioned and revision is None,
    )


def _without_password(url: str) -> str:
    """Over http a user name alone may be a token; over ssh it is `git` and part of the address."""
    url = re.sub(r"(https?://)[^/@]*@", r"\1", url)
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1@", url)
