"""One platform is not put over a tag that holds another of the same revision: of two jobs the later would win."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from flakeship.errors import RejectedError
from flakeship.image.existing import ExistingImage
from flakeship.image.model import Packed, PackedIndex, Platform
from flakeship.registry.reference import Reference

_REVISION: Final = "org.opencontainers.image.revision"
_SHOWN: Final = 12


def check_last_writer(
    packed: Packed | PackedIndex, references: Sequence[str], existing: Iterable[ExistingImage]
) -> None:
    """RejectedError where a tag holds other platforms of the revision that `packed`, a single image, is of.

    `references` are the names that it is about to get. Only what was read to find layers is looked at, and nobody is asked.
    """
    # docs/decisions.md#one-platform-is-not-put-over-another
    if isinstance(packed, PackedIndex) or not (
        revision := _revision_of(packed.image.config, packed.image.annotations)
    ):
        return
    own = packed.image.platform
    names = {_full(reference): reference for reference in references}
    held: dict[str, dict[str, Platform]] = {}
    for image in existing:
        if image.reference in names and _revision_of(image.config, image.annotations) == revision:
            held.setdefault(image.reference, {})[str(image.platform.shortest)] = image.platform
    for name, platforms in held.items():
        others = [text for text, platform in platforms.items() if not platform.means(own) and platform.os]
        if others:
            raise RejectedError(
                f"{names[name]} holds {', '.join(others)} of the revision {revision[:_SHOWN]}, and would lose "
                f"{'it' if len(others) == 1 else 'them'} to {own.shortest} alone",
                hint=f"build all in one run, `platforms: {','.join(sorted({*platforms, str(own.shortest)}))}`; or push each by "
                "its digest, `push-by-digest: true`, and give them the tag together with `flakeship merge`",
            )


def _full(reference: str) -> str:
    parsed = Reference.parse(reference)
    return f"{parsed.name}:{parsed.tag or 'latest'}"


def _revision_of(config: Mapping[str, Any], annotations: Mapping[str, str]) -> str:
    runtime = config.get("config")
    labels = runtime.get("Labels") if isinstance(runtime, Mapping) else None
    label = labels.get(_REVISION) if isinstance(labels, Mapping) else None
    return str(label or annotations.get(_REVISION) or "")
