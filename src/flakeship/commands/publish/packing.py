"""How layers are packed: the inputs, checked, and what they mean for the destinations of one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from flakeship.errors import UsageError
from flakeship.image.compress import DEFAULT_LEVEL, LEVELS, Algorithm, Compression
from flakeship.image.media_types import FAMILIES, Family
from flakeship.settings.declaration import Settings

_AUTO: Final = "auto"


@dataclass(frozen=True, slots=True)
class PackingRequest:
    """`algorithm` is None where the destinations decide. `uploads` are layers sent at the same time, at least 1."""

    algorithm: Algorithm | None
    level: int | None
    family: Family
    uploads: int

    @classmethod
    def of(cls, settings: Settings) -> PackingRequest:
        """UsageError for a level that the algorithm does not have, and for what the media types can't express."""
        algorithm = None if settings.compression == _AUTO else cast("Algorithm", settings.compression)
        made = cls(
            algorithm,
            settings.compression_level,
            FAMILIES[settings.media_types],
            settings.max_concurrent_uploads or 1,
        )
        made.compression(only_loaded=False)  # which refuses what no destination could mend
        return made

    def compression(self, *, only_loaded: bool) -> Compression:
        """The compression for one image; `only_loaded` is True if it goes to container engines of this machine alone.

        By itself it is gzip, and nothing for engines, which would have to undo it.
        """
        # docs/decisions.md#images-for-engines-alone-are-not-compressed
        chosen: Algorithm = "none" if only_loaded and self.level is None else "gzip"
        algorithm = self.algorithm or chosen
        levels = LEVELS[algorithm]
        if self.level is not None and self.level not in levels:
            raise UsageError(
                f"`compression-level` is {self.level}, but {algorithm} takes {levels[0]} to {levels[-1]}",
                hint="write 1 or 2, since higher levels of gzip give other bytes on other CPUs; for smaller layers set `compression: zstd`"
                if algorithm != "none"
                else "leave it out, or name a `compression`",
            )
        if self.family.name == "docker" and algorithm == "zstd":
            raise UsageError(
                "Docker's media types have no name for layers in zstd",
                hint="set `media-types: oci`, or `compression: gzip`",
            )
        return Compression(algorithm, DEFAULT_LEVEL[algorithm] if self.level is None else self.level)
