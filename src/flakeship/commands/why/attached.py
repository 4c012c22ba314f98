"""What an SBOM that is attached to an image tells of its references."""

from __future__ import annotations

from flakeship import events
from flakeship.commands.lower_case import in_lower_case
from flakeship.commands.run import Run
from flakeship.commands.sbom.attached import attached_sbom
from flakeship.commands.sbom.holding import is_in_registry
from flakeship.image.model import parse_digest
from flakeship.registry.reference import TRANSPORT, Reference
from flakeship.sbom.reading import ReadBill, read_bill


def attached_bill(text: str, digest: str, run_: Run) -> ReadBill | None:
    """Return the SBOM in CycloneDX that is attached to the manifest `digest` of the image that `text` names.

    None if no SBOM is attached, or if it can't be read: that is reported, and is no error.
    """
    if not digest or not is_in_registry(text, run_):
        return None
    reference = Reference.parse(in_lower_case(text, events.ignore).removeprefix(TRANSPORT))
    document = attached_sbom(reference, parse_digest(digest), "cyclonedx", run_)
    try:
        return read_bill(document.encode()) if document else None
    except ValueError as error:
        run_.emit(
            events.Notice(f"the SBOM that is attached to {text} tells nothing of its references: {error}")
        )
        return None
