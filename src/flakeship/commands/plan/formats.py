"""A plan as JSON, as a matrix for a workflow on GitHub or Forgejo, and as a child pipeline for GitLab."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flakeship.metadata.syntax.lists import Placed
from flakeship.settings.declaration import Settings, inputs
from flakeship.settings.sizes import spelled_size

_COMPONENT: Final = "$CI_SERVER_FQDN/flakeship/flakeship/{name}@1"
_RUNNERS: Final = {"linux/arm64": "ubuntu-24.04-arm"}
_RUNNER: Final = "ubuntu-24.04"
"""Labels of GitHub's own runners, https://docs.github.com/actions/reference/github-hosted-runners-reference."""

_TAGS: Final = {"linux/amd64": "saas-linux-small-amd64", "linux/arm64": "saas-linux-small-arm64"}
"""Of gitlab.com's own runners, https://docs.gitlab.com/ci/runners/hosted_runners/linux/."""

_DEFAULTS: Final = Settings()
_OWN: Final = frozenset({"flake", "platforms", "push-by-digest", "metadata-file", "dry-run", "log-level"})
"""Inputs of the jobs that the plan writes itself, or that are for this run alone."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One image for one platform. `image` is the attribute's name, `tags` the full references that it gets.

    `settings` are the inputs for this image; `several` is True where the image is for more than this platform.
    """

    image: str
    flake: str
    platform: str
    system: str
    tags: tuple[str, ...]
    published: bool
    settings: Settings
    several: bool

    def to_json(self) -> dict[str, Any]:
        """What all forms tell of it."""
        return {
            "image": self.image,
            "flake": self.flake,
            "platform": self.platform,
            "system": self.system,
            "tags": list(self.tags),
        }


def as_json(planned: Sequence[Planned]) -> str:
    """What is to be done and what is published, each a list."""
    document = {
        "todo": [each.to_json() for each in planned if not each.published],
        "published": [each.to_json() for each in planned if each.published],
    }
    return json.dumps(document, indent=2)


def as_github(planned: Sequence[Planned]) -> str:
    """One line: a value for `strategy.matrix`, with an entry for each job."""
    entries = [
        {
            "image": each.image,
            "flake": each.flake,
            "platform": each.platform,
            "runner": _RUNNERS.get(each.platform, _RUNNER),
        }
        for each in _jobs(planned)
    ]
    return json.dumps({"include": entries}, separators=(",", ":"))


def as_gitlab(planned: Sequence[Planned]) -> str:
    """A child pipeline, as JSON, which is YAML: a job for each platform and, where there are several, one that merges.

    GitLab starts no pipeline without a job, so one that does nothing stands where nothing is to do.
    """
    jobs = _jobs(planned)
    if not jobs:
        nothing = {"nothing to do": {"script": ["true"], "variables": {"GIT_STRATEGY": "none"}}}
        return json.dumps(nothing, indent=2)
    include: list[dict[str, Any]] = []
    pipeline: dict[str, Any] = {"stages": ["build", "deploy"], "include": include}
    variables: dict[str, str] = {}
    for each in jobs:
        name = f"{each.image} {each.platform}"
        runner = f"RUNNER_{each.platform.partition('/')[2].replace('/', '_').upper()}"
        given = {"job-name": name, "flake": each.flake, **_given(each.settings, "publish")}
        if each.several:
            given["push-by-digest"] = True
        include.append({"component": _COMPONENT.format(name="flakeship"), "inputs": given})
        pipeline[name] = {"tags": [f"${runner}"]}
        variables[runner] = _TAGS.get(each.platform, "")
    for image in dict.fromkeys(each.image for each in jobs if each.several):
        own = [each for each in jobs if each.image == image]
        name = f"{image} merge"
        given = {
            "job-name": name,
            "platforms": ",".join(each.platform for each in own),
            **_given(own[0].settings, "merge"),
        }
        include.append({"component": _COMPONENT.format(name="merge"), "inputs": given})
        pipeline[name] = {"needs": [f"{image} {each.platform}" for each in own]}
    return json.dumps({"variables": variables, **pipeline}, indent=2)


FORMATS: Final[Mapping[str, Callable[[Sequence[Planned]], str]]] = {
    "json": as_json,
    "github": as_github,
    "gitlab": as_gitlab,
}
"""By the words of the input `format`."""


def _jobs(planned: Sequence[Planned]) -> list[Planned]:
    """All platforms of every image of which one is missing: `merge` wants the legs of one run."""
    missing = {each.image for each in planned if not each.published}
    return [each for each in planned if each.image in missing]


def _given(settings: Settings, command: str) -> dict[str, Any]:
    """The inputs of a command that were given, as a component takes them; secrets come from the project's variables."""
    found: dict[str, Any] = {}
    names_itself = command == "merge"
    for item in inputs():
        value = getattr(settings, item.attribute)
        skipped = (
            item.name in _OWN or item.secret or (names_itself and item.name in {"tags", "images", "flavor"})
        )
        if command not in item.commands or skipped or value == getattr(_DEFAULTS, item.attribute):
            continue
        plain = item.kind in {"flag", "number"}
        found[item.name] = value if plain else spelled_size(value) if item.kind == "size" else _text(value)
    return found


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return "\n".join(each.text if isinstance(each, Placed) else str(each) for each in value)
    return str(value)
