"""The image has a date of creation."""

from __future__ import annotations

from collections.abc import Iterator

from flakeship.lint.finding import Finding
from flakeship.lint.view import ImageView


def findings(image: ImageView) -> Iterator[Finding]:
    """Report the dates that Nix's image builders write if no date is given."""
    created = str(image.packed.image.config.get("created", ""))
    if created.startswith(("1970-01-01", "0001-01-01", "1980-01-01")):
        yield Finding(
            "created",
            "hint",
            f"the image is dated {created[:10]}: tools that sort or prune by age are misled",
            "commit the flake, whose commit gives the date with `created: auto`; or set `created: now`, a date, or SOURCE_DATE_EPOCH",
        )
