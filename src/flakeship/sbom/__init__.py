"""The SBOM of an image: components made of what Nix knows, and the documents that are written of them."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from flakeship.sbom.model import Bill

Format: TypeAlias = Literal["cyclonedx", "spdx"]
FORMATS: Final[tuple[Format, ...]] = ("cyclonedx", "spdx")


def written(bill: Bill, form: Format) -> str:
    """Return the document in one of the formats, as JSON."""
    match form:
        case "cyclonedx":
            from flakeship.sbom.cyclonedx import cyclonedx

            return cyclonedx(bill)
        case "spdx":
            from flakeship.sbom.spdx import spdx

            return spdx(bill)
