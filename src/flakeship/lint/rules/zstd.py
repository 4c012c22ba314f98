"""Old engines can pull the image."""

from __future__ import annotations

from collections.abc import Iterator

from flakeship.lint.finding import Finding
from flakeship.lint.view import ImageView


def findings(image: ImageView) -> Iterator[Finding]:
    """Report layers in zstd, which docker reads from version 23 on."""
    if any(layer.descriptor.media_type.endswith("+zstd") for layer in image.packed.layers):
        yield Finding(
            "zstd",
            "hint",
            "layers are compressed with zstd, which docker before 23 can't pull",
            "set `compression: gzip`, where such engines are in use",
        )
