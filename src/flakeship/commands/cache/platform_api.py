"""Removal of a root where the registry itself refuses it, by the API of the platform that the registry belongs to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Removal:
    """What a platform removes of a repository: a tag, and all versions without one. Both raise NotAllowedError if it refuses.

    `untagged` returns how many there were: GitLab removes them by itself, and GitHub keeps them for ever.
    """

    tag: Callable[[str], None]
    untagged: Callable[[], int] = lambda: 0


def removal_by_platform(
    reference: Reference, *, session: Transport, environ: Mapping[str, str], github_token: str
) -> Removal | None:
    """Return what removes things of this repository; None where no platform with a token is known for it."""
    if reference.registry == _GITHUB and github_token:
        base = environ.get("GITHUB_API_URL") or "https://api.github.com"
        headers = {"Authorization": f"Bearer {github_token}", "Accept": "application/vnd.github+json"}
        package = _GithubPackage(partial(_asked, session, base, headers), reference.repository)
        return Removal(package.remove, package.remove_untagged)
    api, token = environ.get("CI_API_V4_URL", ""), environ.get("CI_JOB_TOKEN", "")
    if api and token and reference.registry == environ.get("CI_REGISTRY", ""):
        project = quote(environ.get("CI_PROJECT_ID", ""), safe="")
        ask = partial(_asked, session, api, {"JOB-TOKEN": token})
        path = f"projects/{project}/registry/repositories"
        return Removal(partial(_remove_from_gitlab, ask, path, reference))
    return None


class _GithubPackage:
    """A container package: https://docs.github.com/rest/packages/packages."""

    def __init__(self, ask: Ask, repository: str) -> None:
        self._ask, self._repository = ask, repository

    def remove(self, tag: str) -> None:
        """Delete the version that has the tag."""
        path, versions = self._versions()
        for number, tags in versions:
            if tag in tags:
                self._ask("DELETE", f"{path}/{number}")
                return
        raise NotAllowedError(f"GitHub has no version of {self._repository} with the tag {tag}", hint=_HINT)

    def remove_untagged(self) -> int:
        """Delete all versions without a tag: earlier ones of the roots. Return how many there were."""
        path, versions = self._versions()
        numbers = [number for number, tags in versions if not tags]
        for number in numbers:
            self._ask("DELETE", f"{path}/{number}")
        return len(numbers)

    def _versions(self) -> tuple[str, list[tuple[int, list[str]]]]:
        """Return the path of the versions, and the number and the tags of each. The owner is an organisation or a user."""
        owner, _, name = self._repository.partition("/")
        refused: NotAllowedError | None = None
        for kind in ("orgs", "users"):
            path = f"{kind}/{quote(owner, safe='')}/packages/container/{quote(name, safe='')}/versions"
            try:
                return path, [
                    (int(version["id"]), version["metadata"]["container"]["tags"])
                    for version in _listed(self._ask, path)
                ]
            except NotAllowedError as error:
                refused = error
            except (KeyError, TypeError, ValueError) as error:
                raise NotAllowedError(
                    f"GitHub's list of the versions of {self._repository} lacks {error}", hint=_HINT
                ) from error
        assert refused
        raise refused


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
