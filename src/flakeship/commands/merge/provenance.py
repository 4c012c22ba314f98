"""The provenance of a merged index: what the job of each leg stated of its image, and that this run has joined them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flakeship import events
from flakeship.attest.artifact import Artifact
from flakeship.attest.provenance import merged_predicate
from flakeship.commands.merge.images import LegImage
from flakeship.commands.platforms import labelled_platform
from flakeship.commands.publish.attaching.provenance import artifact_of, run_facts
from flakeship.commands.publish.parts import Part
from flakeship.commands.run import Run
from flakeship.errors import UsageError
from flakeship.image.model import Packed, PackedIndex


@dataclass(frozen=True, slots=True)
class MergedProvenance:
    """Makes the provenance of the index of these images. UsageError for what a leg's file states that can't be provenance."""

    images: Sequence[LegImage]
    run: Run

    def artifacts(self, packed: Packed | PackedIndex, _parts: Sequence[Part] = ()) -> tuple[Artifact, ...]:
        """Return the one artifact, about the index and all that it lists."""
        legs = [(str(labelled_platform(each.platform)), self._stated(each)) for each in self.images]
        if silent := [platform for platform, stated in legs if stated is None]:
            self.run.emit(
                events.Notice(
                    f"the provenance states nothing of the image for {', '.join(silent)}: its job was not asked for provenance, or only "
                    "a reference of it was given"
                )
            )
        return (artifact_of(packed, merged_predicate(legs, run_facts(self.run))),)

    def check(self) -> None:
        """UsageError as of `artifacts`, before anything is written."""
        for each in self.images:
            self._stated(each)

    def _stated(self, image: LegImage) -> Mapping[str, Any] | None:
        stated = image.leg.provenance
        if stated is None:
            return None
        try:
            merged_predicate([("", stated)], run_facts(self.run))
        except ValueError as error:
            raise UsageError(
                f"{image.leg.name} states provenance that can't be joined with that of the others: {error}",
                hint="give the file that the job wrote, whole and as it is, and use one version of flakeship in all jobs",
            ) from error
        return stated
