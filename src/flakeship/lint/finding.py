"""One finding of lint: what is wrong with an image, and the line of Nix that corrects it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["warning", "hint"]
"""With `lint: strict` a warning rejects the image; a hint never does."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`rule` is a short name to search for, `text` says what is wrong, `fix` is the line of Nix that corrects it."""

    rule: str
    severity: Severity
    text: str
    fix: str
