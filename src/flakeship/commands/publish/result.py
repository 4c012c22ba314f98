"""What a run of `publish` has made: of one attribute, and of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flakeship.commands.publish.parts import Obtained
from flakeship.commands.publish.times import Times
from flakeship.destinations.protocol import Published
from flakeship.image.model import EMPTY, Packed, PackedIndex
from flakeship.image.zstd_estimate import ZstdEstimate
from flakeship.report.summary import Before

if TYPE_CHECKING:  # most images are pushed by their tags, and nothing is attached to them
    from flakeship.commands.publish.attaching.step import Attachments
    from flakeship.commands.publish.changes import Changes
    from flakeship.commands.publish.leg import LegRecord
    from flakeship.image.existing import ExistingImage
    from flakeship.report.picture.model import Contents


@dataclass(frozen=True, slots=True)
class Result:
    """An image that is finished: its bytes, where it is now, and how messages call what it was made from.

    `obtained` is what the first of its parts was made from, `others` what those of other platforms were. `before` is what one of its tags named before, None where that
    is new or not known. `zstd` is what zstd would have made of what was packed, if that was much. `times` are None until the caller adds them. `index_annotations` are those of an index of this image
    and others, where it is pushed by its digest alone; the caller makes `leg` of them, and `changes` of what `existing` tells, which is all that was
    read of what the destinations held before.
    `attached` is what vouches for the image, None where nothing was asked for.
    """

    packed: Packed | PackedIndex
    published: tuple[Published, ...]
    name: str
    obtained: Obtained
    before: Before | None = None
    zstd: ZstdEstimate | None = None
    times: Times | None = None
    index_annotations: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    others: tuple[Obtained, ...] = ()
    leg: LegRecord | None = None
    existing: tuple[ExistingImage, ...] = ()
    changes: Changes | None = None
    attached: Attachments | None = None


@dataclass(slots=True)
class Made:
    """What a run has made so far. `results` are by the names of attributes, `legs` likewise; `published` counts variants too."""

    results: dict[str, Result] = field(default_factory=dict)
    legs: list[tuple[str, Result]] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    pictured: list[Contents] = field(default_factory=list)
