"""Versions: https://semver.org, without what stands for a pre-release or a build."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from release import NotReleasableError

_VERSION: Final = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")


@dataclass(frozen=True, slots=True, order=True)
class Version:
    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read `1.2.3`. NotReleasableError for anything else."""
        found = _VERSION.fullmatch(text)
        if not found:
            raise NotReleasableError(
                f"{text!r} is no version to release", hint="write MAJOR.MINOR.PATCH, such as 1.2.3"
            )
        return cls(*map(int, found.groups()))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def tag(self) -> str:
        """The name of the Git tag on GitHub. On GitLab it is the version alone: its catalog wants it as semver.org has it."""
        return f"v{self}"

    @property
    def major_tag(self) -> str:
        return f"v{self.major}"

    def is_newest_of_major(self, tags: list[str]) -> bool:
        """Tell whether none of `tags` (`v1.2.3` or `1.2.3`) is a later version with the same major number."""
        return all(other <= self for other in versions(tags) if other.major == self.major)


def versions(tags: list[str]) -> list[Version]:
    """What of `tags` is a version, with or without its `v`."""
    return [Version.parse(text) for tag in tags if _VERSION.fullmatch(text := tag.removeprefix("v"))]
