"""Removal of a root where the registry itself refuses it, by the API of the platform that the registry belongs to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from flakeship.errors import NotAllowedError
from flakeship.http.transport import Transport
from flakeship.registry.reference import Reference

_GITHUB: Final = "ghcr.io"
_PAGES: Final = 50
_PAGE: Final = 100
_LIMIT: Final = 8 * 1024 * 1024
_HINT: Final = (
    "remove it on the page of the package; the next run of `flakeship cache prune` lists what is left"
)

Ask = Callable[[str, str], Any]


def removal_by_platform(
    reference: Reference, *, session: Transport, environ: Mapping[str, str], github_token: str
) -> Callable[[str], None] | None:
    """Return what removes a tag of this repository; None where no platform with a token is known for it.

    It raises NotAllowedError if the platform refuses.
    """
    if reference.registry == _GITHUB and github_token:
        base = environ.get("GITHUB_API_URL") or "https://api.github.com"
        headers = {"Authorization": f"Bearer {github_token}", "Accept": "application/vnd.github+json"}
        return partial(_remove_from_github, partial(_asked, session, base, headers), reference.repository)
    api, token = environ.get("CI_API_V4_URL", ""), environ.get("CI_JOB_TOKEN", "")
    if api and token and reference.registry == environ.get("CI_REGISTRY", ""):
        project = environ.get("CI_PROJECT_ID", "")
        ask = partial(_asked, session, api, {"JOB-TOKEN": token})
        return partial(
            _remove_from_gitlab, ask, f"projects/{quote(project, safe='')}/registry/repositories", reference
        )
    return None


def _remove_from_github(ask: Ask, repository: str, tag: str) -> None:
    """Delete the version of the package that has the tag.

    https://docs.github.com/rest/packages/packages#delete-a-package-version-for-an-organization
    """
    owner, _, name = repository.partition("/")
    refused: NotAllowedError | None = None
    for kind in ("orgs", "users"):
        path = f"{kind}/{quote(owner, safe='')}/packages/container/{quote(name, safe='')}/versions"
        try:
            for version in _listed(ask, path):
                container = (version.get("metadata") or {}).get("container") or {}
                if tag in (container.get("tags") or []):
                    ask("DELETE", f"{path}/{int(version['id'])}")
                    return
        except NotAllowedError as error:  # the owner is of the other kind
            refused = error
    raise refused or NotAllowedError(f"GitHub has no version of {repository} with the tag {tag}", hint=_HINT)


def _remove_from_gitlab(ask: Ask, path: str, reference: Reference, tag: str) -> None:
    """Delete the tag: https://docs.gitlab.com/api/container_registry/#delete-a-registry-repository-tag."""
    for repository in _listed(ask, path):
        if repository.get("location") == reference.name:
            ask("DELETE", f"{path}/{int(repository['id'])}/tags/{quote(tag, safe='')}")
            return
    raise NotAllowedError(f"GitLab lists no repository {reference.name} in this project", hint=_HINT)


def _listed(ask: Ask, path: str) -> Iterator[dict[str, Any]]:
    for page in range(1, _PAGES + 1):
        entries = ask("GET", f"{path}?per_page={_PAGE}&page={page}")
        if not isinstance(entries, list):
            return
        yield from (entry for entry in entries if isinstance(entry, dict))
        if len(entries) < _PAGE:
            return


def _asked(session: Transport, base: str, headers: Mapping[str, str], method: str, path: str) -> Any:
    with session.exchange(method, f"{base.rstrip('/')}/{path}", headers=headers) as response:
        if response.status not in (200, 202, 204):
            raise NotAllowedError(
                f"{response.origin} answered {response.status} to {method} {path.partition('?')[0]}",
                hint=_HINT,
            )
        data = response.read(_LIMIT) if method == "GET" else b""
    try:
        return json.loads(data) if data else None
    except (ValueError, RecursionError) as error:
        raise NotAllowedError(f"{response.origin} sent no JSON", hint=_HINT) from error
