"""What an input is: the form of a line of the declaration in `settings`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

Kind: TypeAlias = Literal["text", "verbatim", "path", "flag", "number", "choice", "lines", "list"]
"""How a value is written: `lines` holds one value a line (commas belong to the value), `list` takes commas too. Blanks
around a `text` are dropped; in a `verbatim` one they count.
"""

GROUPS: Final = (
    "What to publish",
    "How to name and stamp it",
    "Where it goes",
    "Who may write there",
    "Building with Nix",
    "Binary caches",
    "Packing",
    "The run itself",
    "How the container starts",
    "A plain package",
)


@dataclass(frozen=True, slots=True)
class Input:
    """One input as declared. `default` is as a user would write it; `per_platform` replaces it by platform."""

    name: str
    kind: Kind
    default: str
    help: str
    group: str
    commands: tuple[str, ...]
    secret: bool
    choices: tuple[str, ...]
    per_platform: dict[str, str]

    @property
    def attribute(self) -> str:
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"FLAKESHIP_{self.attribute.upper()}"


def declared(
    kind: Kind,
    help_: str,
    *,
    group: int,
    default: Any = "",
    secret: bool = False,
    choices: tuple[str, ...] = (),
    commands: tuple[str, ...] = ("publish",),
    per_platform: dict[str, str] | None = None,
) -> Any:
    """A field of Settings. `group` counts in GROUPS; the keywords are those of Input."""
    return field(
        default=default,
        metadata={
            "kind": kind,
            "help": help_,
            "group": GROUPS[group],
            "commands": commands,
            "secret": secret,
            "choices": choices,
            "per_platform": per_platform or {},
        },
        repr=not secret,
    )
