"""The image has a folder /tmp."""

from __future__ import annotations

from collections.abc import Iterator

from flakeship.lint.finding import Finding
from flakeship.lint.view import ImageView


def findings(image: ImageView) -> Iterator[Finding]:
    """Report an image without /tmp. Nix's image builders do not make the folder by themselves."""
    if image.complete and not image.has("tmp"):
        yield Finding(
            "tmp",
            "warning",
            "there is no /tmp, which many programs expect",
            "set `base: minimal`"
            if image.is_of_package
            else 'add `extraCommands = "mkdir -m 1777 tmp";` to the image',
        )
