"""A plan as JSON, as a matrix for a workflow on GitHub or Forgejo, and as a child pipeline for GitLab."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flakeship.commands.publish.attributes import plain_name
from flakeship.errors import UsageError
from flakeship.image.model import Platform
from flakeship.metadata.syntax.lists import Placed
from flakeship.settings.declaration import Settings, inputs
from flakeship.settings.sizes import spelled_size
from flakeship.sources.closure.architecture import system_of

_COMPONENT: Final = "$CI_SERVER_FQDN/flakeship/flakeship/{name}@1"
_RUNNERS: Final = {"linux/arm64": "ubuntu-24.04-arm"}
_RUNNER: Final = "ubuntu-24.04"
"""Labels of GitHub's own runners, https://docs.github.com/actions/reference/github-hosted-runners-reference."""

_TAGS: Final = {"linux/amd64": "saas-linux-small-amd64", "linux/arm64": "saas-linux-small-arm64"}
"""Of gitlab.com's own runners, https://docs.gitlab.com/ci/runners/hosted_runners/linux/."""

_ALWAYS: Final = {"rules": [{"when": "always"}]}
"""Whatever pipeline the parent is: without it a job that has no rules is in none for a merge request."""

_DEFAULTS: Final = Settings()
_OWN: Final = frozenset({"flake", "platforms", "push-by-digest", "metadata-file", "dry-run", "log-level"})
"""Inputs of the jobs that the plan writes itself, or that are for this run alone."""


_MOST_JOBS: Final = 256
"""Of a matrix on GitHub, https://docs.github.com/actions/reference/limits."""

_MOST_INCLUDES: Final = 150
"""Of a pipeline on GitLab, https://docs.gitlab.com/administration/settings/continuous_integration/#maximum-includes."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One image for one platform. `image` is the attribute's name, `tags` the full references that it gets.

    `flake` is the line for its job, `system` what Nix builds it on: of what is cross-compiled, that of another platform.
    `settings` are the inputs for this image; `several` is True where the image is for more than this platform.
    """

    image: str
    flake: str
    platform: Platform
    system: str
    tags: tuple[str, ...]
    published: bool
    settings: Settings
    several: bool

    @property
    def builder(self) -> str:
        """The platform of the machine that builds it."""
        known = {
            system_of(each): str(each) for each in (Platform("linux", "amd64"), Platform("linux", "arm64"))
        }
        return known.get(self.system, str(self.platform))

    def to_json(self) -> dict[str, Any]:
        """What all forms tell of it."""
        return {
            "image": self.image,
            "flake": self.flake,
            "platform": str(self.platform),
            "system": self.system,
            "tags": list(self.tags),
        }


def as_json(planned: Sequence[Planned], _job_image: str = "") -> str:
    """What is to be done and what is published, each a list."""
    document = {
        "todo": [each.to_json() for each in planned if not each.published],
        "published": [each.to_json() for each in planned if each.published],
    }
    return json.dumps(document, indent=2)


def as_github(planned: Sequence[Planned], _job_image: str = "") -> str:
    """One line: a value for `strategy.matrix`, with an entry for each job. UsageError for more than a matrix may have."""
    jobs = _jobs(planned)
    if len(jobs) > _MOST_JOBS:
        raise _too_many(jobs, f"GitHub takes {_MOST_JOBS} in a matrix")
    names = _names(jobs)
    entries = [
        {
            "image": names[each.image],
            "flake": each.flake,
            "platform": str(each.platform),
            "runner": _RUNNERS.get(each.builder, _RUNNER),
        }
        for each in jobs
    ]
    return json.dumps({"include": entries}, separators=(",", ":"))


def as_gitlab(planned: Sequence[Planned], job_image: str = "") -> str:
    """A child pipeline, as JSON, which is YAML: a job for each platform and, where there are several, one that merges.

    `job_image` is what its jobs run in, empty for the component's own. GitLab starts no pipeline without a job, so one that
    does nothing stands where nothing is to do. UsageError for more components than a pipeline may include.
    """
    jobs = _jobs(planned)
    if not jobs:
        nothing = {"nothing to do": {"script": ["true"], "variables": {"GIT_STRATEGY": "none"}}}
        return json.dumps({"workflow": _ALWAYS, **nothing}, indent=2)
    names = _names(jobs)
    include: list[dict[str, Any]] = []
    pipeline: dict[str, Any] = {"workflow": _ALWAYS, "stages": ["build", "deploy"], "include": include}
    variables: dict[str, str] = {}
    for each in jobs:
        name = f"{names[each.image]} {each.platform}"
        runner = f"RUNNER_{each.builder.partition('/')[2].replace('/', '_').upper()}"
        given = {"job-name": name, "flake": each.flake, **_given(each.settings, "publish")}
        if each.several or each.settings.platforms:  # whatever runner takes the job
            given["platforms"] = str(each.platform)
        if each.several:
            given["push-by-digest"] = True
        include.append({"component": _COMPONENT.format(name="flakeship"), "inputs": given})
        pipeline[name] = {"tags": [f"${runner}"]}
        variables[runner] = _TAGS.get(each.builder, "")
    for image in dict.fromkeys(each.image for each in jobs if each.several):
        own = [each for each in jobs if each.image == image]
        name = f"{names[image]} merge"
        given = {
            "job-name": name,
            "platforms": ",".join(str(each.platform) for each in own),
            **_given(own[0].settings, "merge"),
        }
        include.append({"component": _COMPONENT.format(name="merge"), "inputs": given})
        pipeline[name] = {"needs": [f"{names[image]} {each.platform}" for each in own]}
    for entry in include if job_image else ():
        entry["inputs"]["job-image"] = job_image
    if len(include) > _MOST_INCLUDES:
        raise _too_many(jobs, f"GitLab includes {_MOST_INCLUDES} components in a pipeline")
    return json.dumps({"variables": variables, **pipeline}, indent=2)


FORMATS: Final[Mapping[str, Callable[..., str]]] = {
    "json": as_json,
    "github": as_github,
    "gitlab": as_gitlab,
}
"""By the words of the input `format`. Each takes what is planned, and the image that the jobs run in."""


def _jobs(planned: Sequence[Planned]) -> list[Planned]:
    """All platforms of every image of which one is missing: `merge` wants the legs of one run."""
    missing = {each.image for each in planned if not each.published}
    return [each for each in planned if each.image in missing]


def _names(jobs: Sequence[Planned]) -> dict[str, str]:
    """A name for each image that artifacts and jobs may have: none begins with a dot, as those that GitLab hides.

    The attribute's name, if it is one; what is not written in such characters is cut down to them, and numbered where
    two would be alike.
    """
    names: dict[str, str] = {}
    for image in sorted({each.image for each in jobs}, key=lambda image: (plain_name(image) != image, image)):
        name, number = plain_name(image), 1
        while name in names.values():
            number += 1
            name = f"{plain_name(image)}-{number}"
        names[image] = name
    return names


def _too_many(jobs: Sequence[Planned], why: str) -> UsageError:
    return UsageError(
        f"the plan has {len(jobs)} jobs, and {why}",
        hint="leave some attributes out, and name them in a second plan; `format: json` lists all that is to be done",
    )


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
