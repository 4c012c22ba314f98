"""The program is made for the CPU that the image's config states."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from flakeship.image.program_header import architecture_of
from flakeship.lint.finding import Finding
from flakeship.lint.view import ImageView
from flakeship.store_paths import STORE


def findings(image: ImageView) -> Iterator[Finding]:
    """Report a program for another CPU, if it lies in the store of this machine and so can be read."""
    path = image.program
    found = architecture_of(Path(path)) if path.startswith(STORE) else ""
    stated = image.packed.image.platform.architecture
    if found and found != stated:
        yield Finding(
            "architecture",
            "warning",
            f"the config says {stated}, but {path} is made for {found}",
            f'add `architecture = "{found}";` to the image, or set `override-platform: linux/{found}`',
        )
