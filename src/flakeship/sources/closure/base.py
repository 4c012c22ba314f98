"""The image that a package is put on: what it keeps of its config, and what the package's has precedence over."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Self

from flakeship.errors import NotAnImageError
from flakeship.image.model import Image, Layer, Platform
from flakeship.sources.opened import Opened

_REPLACED: Final = frozenset({"Entrypoint", "Cmd"})
"""The command that a container of the base image runs, with its arguments."""

OTHER_PLATFORM: Final = (
    "name a base image that has the package's platform, or build the package for that of the base image"
)
"""The hint where it has not."""


@dataclass(frozen=True, slots=True)
class BaseImage:
    """The image that a package is put on; without layers if the package is put on no image."""

    image: Image
    layers: tuple[Layer, ...] = ()

    @classmethod
    def of(cls, below: Opened | None, platform: Platform) -> Self:
        """NotAnImageError for a base that is made for another platform."""
        if below is None:
            return cls(Image({}, platform, (), ()))
        image = below.image()
        if (image.platform.os, image.platform.architecture) != (platform.os, platform.architecture):
            raise NotAnImageError(
                f"`base-image` is for {image.platform}, but the package is for {platform}",
                hint=OTHER_PLATFORM,
            )
        return cls(image, tuple(below.layers()))

    def under(self, image: Image) -> Image:
        """The package's image on top of this one."""
        if not self.layers:
            return image
        runtime = {
            key: value for key, value in self.image.config.get("config", {}).items() if key not in _REPLACED
        }
        own = image.config["config"]
        merged = {**runtime, **own, "Env": _merged(runtime.get("Env", []), own["Env"])}
        return replace(
            image,
            config={**image.config, "config": merged},
            layers=self.image.layers + image.layers,
            diff_ids=self.image.diff_ids + image.diff_ids,
            history=self._history() + image.history,
        )

    def _history(self) -> tuple[Any, ...]:
        """One entry a layer at least: readers pair the two up by count."""
        unknown = {"created_by": "unknown", "comment": "a layer of the base image"}
        return self.image.history or (unknown,) * len(self.image.layers)


def _merged(base: list[str], own: list[str]) -> list[str]:
    """Ours win, but the base's PATH stays reachable behind ours."""
    known, wanted = _variables(base), _variables(own)
    path = ":".join(filter(None, (wanted.get("PATH"), known.get("PATH"))))
    merged = {**known, **wanted, **({"PATH": path} if path else {})}
    return [f"{name}={value}" for name, value in merged.items()]


def _variables(entries: list[str]) -> dict[str, str]:
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}
