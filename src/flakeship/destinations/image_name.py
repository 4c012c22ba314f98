"""The names that an image gets inside an archive, a layout or a container engine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from flakeship.errors import UsageError
from flakeship.registry.reference import Reference

# https://github.com/opencontainers/image-spec/blob/main/annotations.md, org.opencontainers.image.ref.name
_REF_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/:@+-]{0,254}")


@dataclass(frozen=True, slots=True)
class ImageName:
    """`text` is the name as its user wrote it, with a tag (`app:1`), or the name of an entry of a layout (`1.0`).

    `full` is the whole reference that it stands for (`docker.io/library/app:1`).
    """

    text: str
    full: str

    @classmethod
    def of(cls, text: str) -> ImageName:
        """Take a name that is complete as it stands."""
        return cls(text, text)

    @property
    def tag(self) -> str:
        """The part behind the colon; empty for a name without a tag."""
        return self.text.rpartition("/")[2].partition(":")[2]

    def __str__(self) -> str:
        return self.text


def names_from(own: str, destination: str, references: Sequence[str]) -> tuple[ImageName, ...]:
    """Return the name that stands in a destination, or without one the references that the image has everywhere.

    `destination` is the whole text, for messages. UsageError if a name is no reference or holds a digest.
    """
    return tuple(_name(name, destination) for name in ([own] if own else dict.fromkeys(references)))


def _name(name: str, destination: str) -> ImageName:
    reference = Reference.parse(name)
    if reference.digest:
        raise UsageError(
            f"to: {destination!r} names a digest, but the digest of the image is known only when it is made",
            hint="write a tag in place of the digest",
        )
    tag = "" if reference.tag else ":latest"
    return ImageName(f"{name}{tag}", f"{reference}{tag}")


def check_ref_name(name: str) -> str:
    """Return a name that may stand in the index of an OCI layout. UsageError for any other."""
    if not _REF_NAME.fullmatch(name):
        raise UsageError(
            f"to: {name!r} can't name an image of a layout", hint="use letters, digits and . _ - / : @ +"
        )
    return name
