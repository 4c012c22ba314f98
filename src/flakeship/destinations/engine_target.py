"""The common part of the destinations docker-daemon and containers-storage: names in a container engine."""

from __future__ import annotations

from dataclasses import dataclass

from flakeship.destinations.image_name import ImageName
from flakeship.destinations.kind import Target
from flakeship.registry.reference import with_tag_suffix


@dataclass(frozen=True)
class EngineTarget(Target):
    """The images of one container engine of this machine. Without `names` the image keeps its own."""

    names: tuple[ImageName, ...]

    @property
    def keeps_own_name(self) -> bool:
        """True if there are no names."""
        return not self.names

    @property
    def unpacks_layers(self) -> bool:
        """True: an engine unpacks layers as it loads them."""
        return True


def with_engine_suffix(text: str, suffix: str, /) -> str:
    """Append `suffix` to the tag of the reference, if `text` has a reference."""
    scheme, _, reference = text.partition(":")
    return f"{scheme}:{with_tag_suffix(reference, suffix)}" if reference else text
