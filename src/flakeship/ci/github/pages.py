"""The pages of GitHub that a summary links to. They are known from the event alone."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from flakeship.metadata.context import Context

_SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REPOSITORY: Final = re.compile(r"https://github\.com/([^/]+)/[^/]+")
_REGISTRY: Final = "ghcr.io"


def commit_page(event: Context) -> str:
    """Return the page of the commit, whose address is the same on GitHub, Forgejo and Gitea; empty without a commit."""
    url = event.repository.url.rstrip("/")
    return f"{url}/commit/{event.sha}" if url and _SHA.fullmatch(event.sha) else ""


def package_page(name: str, event: Context, *, source: str) -> str:
    """Return the page of a package of ghcr.io beside the repository that the label `source` connects it with.

    https://docs.github.com/en/packages/learn-github-packages/connecting-a-repository-to-a-package. Where the two have
    different owners, or nothing connects them, the address leads nowhere.
    """
    registry, _, path = name.partition("/")
    owner, _, package = path.partition("/")
    found = _REPOSITORY.fullmatch(event.repository.url)
    if registry != _REGISTRY or not package or not found or source != event.repository.url:
        return ""
    if owner != found[1].lower():
        return ""
    return f"{event.repository.url}/pkgs/container/{quote(package, safe='')}"
