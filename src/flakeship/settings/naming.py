"""The part of the declaration that says what an image is called and what it carries; `settings` holds the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flakeship.settings.container import ContainerSettings
from flakeship.settings.fields import declared as _input

NAMERS: Final = ("publish", "metadata")
"""The commands that give an image its names."""

_METADATA: Final = ("metadata",)

METADATA_OUTPUTS: Final = {
    "version": "Version of the image: its first tag",
    "tags": "Full references, one a line",
    "tag-names": "Tags without the name of an image, one a line",
    "labels": "Labels, KEY=VALUE, one a line",
    "annotations": "Annotations, LEVEL:KEY=VALUE, one a line",
    "json": "Tags, labels and annotations as JSON",
    "bake-file-tags": "File for `docker buildx bake` with the tags",
    "bake-file-labels": "File for `docker buildx bake` with the labels",
    "bake-file-annotations": "File for `docker buildx bake` with the annotations",
    "bake-file": "File for `docker buildx bake` with tags and labels",
}
"""What the command `metadata` hands to the next step: the outputs of docker/metadata-action, and what they hold."""


@dataclass(frozen=True, slots=True, kw_only=True, init=False, repr=False, eq=False)
class NamingSettings(ContainerSettings):
    """Inputs in the language of docker/metadata-action, and what goes beyond it."""

    images: tuple[str, ...] = _input(
        "lines",
        "Image names without a tag: `ghcr.io/owner/name`, one a line. Default on GitLab: CI_REGISTRY_IMAGE",
        group=1,
        default=(),
        commands=NAMERS,
    )
    tags: tuple[str, ...] = _input(
        "lines",
        "Full references, or bare tags and rules (`type=semver,pattern={{version}}`), which are combined with `images`. "
        "Default: a tag for the branch, the Git tag or the pull request",
        group=1,
        default=(),
        commands=NAMERS,
    )
    flavor: tuple[str, ...] = _input(
        "lines",
        "What holds for all tags: `latest=auto|true|false`, `prefix=TEXT`, `suffix=TEXT`",
        group=1,
        default=(),
        commands=NAMERS,
    )
    labels: tuple[str, ...] = _input(
        "lines",
        "Labels as KEY=VALUE; they win over the flake's own",
        group=1,
        default=(),
        commands=NAMERS,
    )
    auto_labels: bool = _input(
        "flag",
        "Add what git, CI and the flake know: revision, source, version, created, title, description, licenses",
        group=1,
        default=True,
        commands=NAMERS,
    )
    annotations: tuple[str, ...] = _input(
        "lines",
        "Annotations as KEY=VALUE, or LEVEL:KEY=VALUE with the level `manifest`, `index`, …",
        group=1,
        default=(),
        commands=NAMERS,
    )
    annotations_levels: tuple[str, ...] = _input(
        "list",
        "Where annotations go that name no level. Default: DOCKER_METADATA_ANNOTATIONS_LEVELS, else `manifest` and, where "
        "there are several platforms, `index`",
        group=1,
        default=(),
        commands=NAMERS,
    )
    annotations_from_labels: bool = _input(
        "flag", "Make an annotation of every label", group=1, default=False, commands=NAMERS
    )
    context: str = _input(
        "choice",
        "Where branch, tag and commit are read: from the event that started the `workflow`, or from `git`",
        group=1,
        default="workflow",
        choices=("workflow", "git"),
        commands=NAMERS,
    )
    github_api: bool = _input(
        "flag",
        "Ask GitHub's API, with `github-token`, for what the event does not tell: description, licence, default branch",
        group=1,
        default=False,
        commands=NAMERS,
    )
    created: str = _input(
        "text",
        "Creation date: `auto` (SOURCE_DATE_EPOCH, else the commit's date), `keep`, `now`, `commit`, a date, seconds since 1970",
        group=1,
        default="auto",
    )

    explain: bool = _input(
        "flag", "Print the rule that each tag came from", group=7, default=False, commands=_METADATA
    )
    bake: bool = _input(
        "flag", "Print a definition for `docker buildx bake`", group=7, default=False, commands=_METADATA
    )
    bake_target: str = _input(
        "text",
        "The target's name in definitions for bake",
        group=7,
        default="docker-metadata-action",
        commands=_METADATA,
    )
    bake_folder: str = _input(
        "path",
        "Where the files for bake are written; default: RUNNER_TEMP",
        group=7,
        commands=_METADATA,
        per_platform={"github": ".flakeship"},
    )
    sep_tags: str = _input(
        "verbatim",
        "What stands between tags in the outputs; default: a new line",
        group=7,
        commands=_METADATA,
    )
    sep_labels: str = _input(
        "verbatim",
        "What stands between labels in the outputs; default: a new line",
        group=7,
        commands=_METADATA,
    )
    sep_annotations: str = _input(
        "verbatim",
        "What stands between annotations in the outputs; default: a new line",
        group=7,
        commands=_METADATA,
    )
