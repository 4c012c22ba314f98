"""The pages of GitLab that a summary links to. They are known from the predefined variables alone."""

from __future__ import annotations

import re
from typing import Final

from flakeship.metadata.context import Context

_SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def commit_page(event: Context) -> str:
    """Return the page of the commit in the project; empty without a commit."""
    url = event.repository.url.rstrip("/")
    return f"{url}/-/commit/{event.sha}" if url and _SHA.fullmatch(event.sha) else ""


def package_page(name: str, event: Context, *, source: str) -> str:
    """Return the page of the project's container registry, for an image that lies in it (CI_REGISTRY_IMAGE).

    The page of one image has a number in its address that only GitLab knows:
    https://docs.gitlab.com/user/packages/container_registry/#view-the-container-registry
    """
    own = event.image
    inside = bool(own) and (name == own or name.startswith(f"{own}/"))
    return f"{event.repository.url.rstrip('/')}/container_registry" if inside and event.repository.url else ""
