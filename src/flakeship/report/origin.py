"""Where an image says that it comes from, in words: `github:owner/repo at commit 3e7be6a…`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_SOURCE: Final = "org.opencontainers.image.source"
_REVISION: Final = "org.opencontainers.image.revision"
_FORGES: Final = (
    (re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?"), "github"),
    (re.compile(r"https://gitlab\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?"), "gitlab"),
    (re.compile(r"https://git\.sr\.ht/(~[\w.-]+/[\w.-]+?)/?"), "sourcehut"),
)
"""Addresses of repositories, and how a flake's reference names their forges.

https://nix.dev/manual/nix/latest/command-ref/new-cli/nix3-flake#types
"""

_COMMIT: Final = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})(-dirty)?")


def origin_of(known: Mapping[str, object]) -> str:
    """Return what labels or annotations by the names of image-spec say of repository and commit; empty where they say nothing.

    https://github.com/opencontainers/image-spec/blob/main/annotations.md#pre-defined-annotation-keys
    """
    source, revision = (str(known.get(key) or "") for key in (_SOURCE, _REVISION))
    return " ".join(filter(None, (flake_of(source), _at(revision))))


def flake_of(url: str) -> str:
    """Return a repository's address as a flake reference names it, `github:owner/repo`; another address as it is."""
    found = ((pattern.fullmatch(url), forge) for pattern, forge in _FORGES)
    return next((f"{forge}:{hit[1]}" for hit, forge in found if hit), url)


def _at(revision: str) -> str:
    if not revision:
        return ""
    commit = _COMMIT.fullmatch(revision)
    if commit is None:
        return f"at {revision}"
    return f"at commit {commit[1]}" + (", with changes that were not committed" if commit[2] else "")
