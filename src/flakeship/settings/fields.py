"""The form of one declared input: its kind, its heading in the docs, and what it means to the steps of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["text", "verbatim", "path", "flag", "number", "size", "choice", "lines", "list"]
"""How a value is written. `lines` holds one value a line, and commas belong to the value; `list` takes commas too.
Blanks around a `text` are dropped; in a `verbatim` they count. A `size` has a unit, and its value is in bytes.
"""

Meaning: TypeAlias = Literal["shapes-layers", "packages-only", "starts-container"]
"""What an input does to the image, for steps that treat all inputs of one meaning alike:

* `shapes-layers`: another value makes other layers of the same store path, or chooses another image of a source;
* `packages-only`: it has an effect on a plain package and none on what is an image already;
* `starts-container`: it rewrites the runtime part of the config.
"""


class Heading(StrEnum):
    """The headings that inputs stand under in the docs and in `--help`, in this order."""

    WHAT = "What to publish"
    NAMING = "How to name and stamp it"
    WHERE = "Where it goes"
    VOUCHING = "What vouches for it"
    ACCESS = "Who may write there"
    NIX = "Building with Nix"
    CACHES = "Binary caches"
    PACKING = "Packing"
    RUN = "The run itself"
    CONTAINER = "How the container starts"
    PACKAGE = "A plain package"


@dataclass(frozen=True, slots=True)
class Input:
    """One input as declared. `default` is as a user would write it; `per_platform` replaces it by CI platform.

    Values of a `placed` list know the line and column that they were written at, for the messages of those who parse them.
    """

    name: str
    kind: Kind
    default: str
    help: str
    heading: Heading
    commands: tuple[str, ...]
    secret: bool
    placed: bool
    choices: tuple[str, ...]
    means: tuple[Meaning, ...]
    per_platform: dict[str, str]
    text_in: tuple[str, ...] = ()
    """The commands for which each line is text; the others read it as Docker's actions read a list."""

    @property
    def attribute(self) -> str:
        """The name of the field of Settings."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable that sets the input outside of GitHub's `with:`."""
        return f"FLAKESHIP_{self.attribute.upper()}"


def declared(
    heading: Heading,
    kind: Kind,
    help_: str,
    *,
    default: Any = "",
    secret: bool = False,
    placed: bool = False,
    choices: tuple[str, ...] = (),
    means: tuple[Meaning, ...] = (),
    commands: tuple[str, ...] = ("publish",),
    per_platform: dict[str, str] | None = None,
    text_in: tuple[str, ...] = (),
) -> Any:
    """Declare a field of Settings; the arguments are those of Input."""
    return field(
        default=default,
        metadata={
            "kind": kind,
            "help": help_,
            "heading": heading,
            "commands": commands,
            "secret": secret,
            "placed": placed,
            "choices": choices,
            "means": means,
            "per_platform": per_platform or {},
            "text_in": text_in,
        },
        repr=not secret,
    )
