"""Which versions printed what is kept with the tests: told by what is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.nix import samples

TESTS: Final = Path(__file__).parent.parent


def recorded_nix(*samples_: Mapping[str, object]) -> str:
    """The versions of Nix whose words or JSON are kept, in these samples or in any."""
    kept = samples_ or [value for value in vars(samples).values() if isinstance(value, Mapping)]
    found = {key for value in kept for key in value if re.fullmatch(r"\d+\.\d+", str(key))}
    return f"Nix {', '.join(sorted(found, key=lambda text: tuple(map(int, text.split('.')))))}"


def recorded_action() -> str:
    (file,) = (TESTS / "e2e/recorded").glob("metadata-action-*.txt")
    return f"docker/metadata-action {file.stem.rpartition('-')[2]}"
