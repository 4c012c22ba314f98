"""The formats of an SBOM, by the words of the input `format`."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from flakeship.sbom.model import Bill

Format: TypeAlias = Literal["cyclonedx", "spdx"]
FORMATS: Final[tuple[Format, ...]] = ("cyclonedx", "spdx")


def written_as(bill: Bill, form: Format) -> str:
    """Return the document in one of the formats, as JSON."""
    match form:
        case "cyclonedx":
            from flakeship.sbom.cyclonedx import cyclonedx

            return cyclonedx(bill)
        case "spdx":
            from flakeship.sbom.spdx import spdx

            return spdx(bill)
