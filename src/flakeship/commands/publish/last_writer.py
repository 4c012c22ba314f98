"""What a tag loses: one platform is not put over another of the same revision, and any platform that goes is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from flakeship import events
from flakeship.errors import RejectedError
from flakeship.image.existing import ExistingImage
from flakeship.image.model import Image, Platform
from flakeship.registry.reference import Reference

_REVISION: Final = "org.opencontainers.image.revision"
_SHOWN: Final = 12
_NOWHERE: Final = frozenset({"", "unknown"})
"""The OS of what runs nowhere: an artifact, or what buildx lists of an image."""


def check_last_writer(image: Image, references: Sequence[str], existing: Iterable[ExistingImage]) -> None:
    """RejectedError where a tag holds other platforms of the revision that `image`, a single one, is of.

    `references` are the names that it is about to get. Only what was read to find layers is looked at, and nobody is asked.
    """
    # docs/decisions.md#one-platform-is-not-put-over-another
    if not (revision := _revision_of(image.config, image.annotations)):
        return
    same = [each for each in existing if _revision_of(each.config, each.annotations) == revision]
    own = image.platform
    for name, others in lost_by([own], references, _held_by(same)).items():
        raise RejectedError(
            f"{name} holds {_listed(others)} of the revision {revision[:_SHOWN]}, and would lose "
            f"{'it' if len(others) == 1 else 'them'} to {_listed([own])} alone",
            hint=f"build all in one run, `platforms: {','.join(sorted(map(_named, [*others, own])))}`; or push each by "
            "its digest, `push-by-digest: true`, and give them the tag together with `flakeship merge`",
        )


def warn_of_lost(
    platforms: Sequence[Platform],
    references: Sequence[str],
    existing: Iterable[ExistingImage],
    emit: events.Emit,
) -> None:
    """Warn of each name that is about to lose a platform, because what it gets is for `platforms` alone."""
    for name, others in lost_by(platforms, references, _held_by(existing)).items():
        emit(warning_of(name, others, platforms))


def warning_of(name: str, lost: Sequence[Platform], platforms: Sequence[Platform]) -> events.Warned:
    """The warning that a name loses platforms to an image for these."""
    return events.Warned(
        f"{name} loses {_listed(lost)}: it held an image for that, and gets one for {_listed(platforms)} alone",
        hint=f"add {'it' if len(lost) == 1 else 'them'} to `platforms` unless the platform is given up: "
        "machines of that kind can't pull the tag any more",
    )


def lost_by(
    platforms: Sequence[Platform], references: Sequence[str], held: Mapping[str, Sequence[Platform]]
) -> dict[str, list[Platform]]:
    """By the names in `references`, the platforms that are `held` by the full name, and not among `platforms`."""
    found: dict[str, dict[tuple[str, str, str], Platform]] = {}
    for reference in references:
        for platform in held.get(_full(reference), ()):
            kept = platform.os in _NOWHERE or any(platform.means(each) for each in platforms)
            if not kept:
                found.setdefault(reference, {})[platform.normal] = platform
    return {name: list(each.values()) for name, each in found.items()}


def _held_by(existing: Iterable[ExistingImage]) -> dict[str, list[Platform]]:
    held: dict[str, list[Platform]] = {}
    for image in existing:
        held.setdefault(image.reference, []).append(image.platform)
    return held


def _listed(platforms: Sequence[Platform]) -> str:
    return ", ".join(map(_named, platforms))


def _named(platform: Platform) -> str:
    from flakeship.commands.platforms import labelled_platform

    return str(labelled_platform(platform))


def _full(reference: str) -> str:
    parsed = Reference.parse(reference)
    return f"{parsed.name}:{parsed.tag or 'latest'}"


def _revision_of(config: Mapping[str, Any], annotations: Mapping[str, str]) -> str:
    runtime = config.get("config")
    labels = runtime.get("Labels") if isinstance(runtime, Mapping) else None
    label = labels.get(_REVISION) if isinstance(labels, Mapping) else None
    return str(label or annotations.get(_REVISION) or "")
