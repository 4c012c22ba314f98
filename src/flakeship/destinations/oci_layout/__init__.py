"""`oci:DIR[:TAG]`: an OCI image layout in a folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flakeship.destinations.image_name import check_ref_name
from flakeship.destinations.kind import Defaults, Target
from flakeship.destinations.options import DestinationOptions
from flakeship.destinations.protocol import Destination
from flakeship.errors import UsageError

SCHEMES: Final = ("oci",)
SYNTAX: Final = ("oci:DIR[:TAG]",)


@dataclass(frozen=True)
class Layout(Target):
    """A folder and the tag of the image in its index; with an empty `tag` the image's own name gives it."""

    directory: Path
    tag: str

    @property
    def keeps_own_name(self) -> bool:
        """True if there is no tag."""
        return not self.tag

    @property
    def folder(self) -> Path:
        """The layout's own folder."""
        return self.directory

    @property
    def output(self) -> Path:
        """The layout's own folder."""
        return self.directory

    @contextlib.contextmanager
    def open(self, options: DestinationOptions) -> Iterator[Destination]:
        """Open the folder. UsageError if it holds something else.

        One that is missing is made with the first layer, and removed again where the run fails before it lists an image.
        """
        from flakeship.destinations.oci_layout.destination import LayoutDestination
        from flakeship.destinations.withheld import checked

        layout = LayoutDestination(self.directory, self.tag, emit=options.emit)
        try:
            yield checked(layout, options)
        except BaseException:
            layout.give_up()
            raise


def parse(text: str, defaults: Defaults, /) -> Layout:
    """Understand `oci:DIR[:TAG]`."""
    place = text.partition(":")[2]
    folder, _, own = place.partition(":")
    tag = own or defaults.tag
    if not folder:
        raise UsageError(f"to: {text!r} names no folder", hint="write `oci:DIR` or `oci:DIR:TAG`")
    if "\0" in place or "\n" in place:
        raise UsageError(
            "to: the folder's name holds a line break or a NUL", hint="write `oci:DIR` or `oci:DIR:TAG`"
        )
    return Layout(defaults.cwd / folder, check_ref_name(tag) if tag else "")


def with_suffix(text: str, suffix: str, /) -> str:
    """Append `suffix` to the tag, if there is one."""
    return f"{text}{suffix}" if text.partition(":")[2].partition(":")[2] else text
