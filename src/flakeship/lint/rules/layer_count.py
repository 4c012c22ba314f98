"""The image has no more layers than container engines can stack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flakeship.lint.finding import Finding
from flakeship.lint.view import ImageView

_MOST_LAYERS: Final = 127
"""overlay2 takes 128 lower layers: https://docs.docker.com/engine/storage/drivers/overlayfs-driver/."""


def findings(image: ImageView) -> Iterator[Finding]:
    """Report more layers than docker's overlay2 driver mounts."""
    count = len(image.packed.layers)
    if count > _MOST_LAYERS:
        yield Finding(
            "layers",
            "warning",
            f"{count} layers: docker's overlay2 takes {_MOST_LAYERS}, sysbox 64",
            "add `maxLayers = 100;` to the image",
        )
