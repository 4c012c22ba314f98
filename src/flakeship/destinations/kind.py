"""The protocol of a kind of destination: how its destinations are written, what each needs, and how it is opened."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flakeship.destinations.options import DestinationOptions
from flakeship.destinations.protocol import Destination


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Values for the parts that the text of a destination leaves out.

    `cwd` is the folder that relative paths start from. `references` are the full references that the image gets
    everywhere (`ghcr.io/owner/name:1`). `tag` names the image in an OCI layout; empty means: the image's own tag.
    """

    cwd: Path
    references: tuple[str, ...] = ()
    tag: str = ""


class Target(Protocol):
    """One destination as the user wrote it, completed by `Defaults`; nothing is opened or asked for yet.

    Targets are frozen, and two that are equal are one destination. A kind inherits from this class and overrides only
    what differs from the answers below.
    """

    @property
    def keeps_own_name(self) -> bool:
        """True if nobody named the image here, so that it is called what it calls itself (its RepoTags)."""
        return False

    @property
    def folder(self) -> Path | None:
        """The folder whose file system must have room for the image; None if the image goes to no folder."""
        return None

    @property
    def output(self) -> Path | None:
        """The file or folder that is written, so that it can be given to the owner of the workspace."""
        return None

    @property
    def replaces(self) -> str:
        """The file that is written as a whole, as messages call it: a second destination may not write it too.

        Empty if several images can stand side by side.
        """
        return ""

    @property
    def unpacks_layers(self) -> bool:
        """True if layers are unpacked on this machine at once, so that compressing them only costs time."""
        return False

    @property
    def is_for_engines(self) -> bool:
        """True if an engine loads it, whose version may be any: docker before 23 loads no layers in zstd."""
        return self.unpacks_layers

    def open(self, options: DestinationOptions) -> AbstractContextManager[Destination]:
        """Open the destination and check that it can be written to; `withheld.checked` does both halves of that.

        What a run leaves unfinished is removed when the context ends. With `options.dry_run` nothing is written.
        Raises errors.Error.
        """


class Kind(Protocol):
    """A module named in `DESTINATIONS`."""

    @property
    def SCHEMES(self) -> tuple[str, ...]:  # noqa: N802 - a constant of the module
        """The words before the first colon of its destinations: `oci`, `docker-archive`."""

    @property
    def SYNTAX(self) -> tuple[str, ...]:  # noqa: N802 - a constant of the module
        """The form of its destinations for hints, one for each scheme: `oci:DIR[:TAG]`."""

    def parse(self, text: str, defaults: Defaults, /) -> Target:
        """Understand a destination that begins with one of SCHEMES. UsageError if it is malformed."""

    def with_suffix(self, text: str, suffix: str, /) -> str | None:
        """Append `suffix` to the tag that `text` gives the image; `text` itself if it gives none.

        None if the destination holds a single image and has no tag that could tell two apart.
        """
