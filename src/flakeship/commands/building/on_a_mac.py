"""What is meant on a Mac, where Nix builds for macOS unless it is told otherwise: containers run Linux."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import Final

_SYSTEM: Final = re.compile(r"\s*system\s*=\s*(\S+)\s*")
_DARWIN: Final = "-darwin"


def mac_system(nix_config: Sequence[str]) -> str:
    """Nix's own system, `aarch64-darwin`, where that is a Mac's; empty elsewhere.

    A line `system = …` of the input `nix-config` counts for more than the machine, as it does for Nix.
    """
    said = [hit[1] for text in nix_config for line in text.splitlines() if (hit := _SYSTEM.fullmatch(line))]
    if said:
        return said[-1] if said[-1].endswith(_DARWIN) else ""
    if sys.platform != "darwin":
        return ""
    machine = os.uname().machine
    return f"{'aarch64' if machine == 'arm64' else machine}{_DARWIN}"


def linux_of(system: str) -> str:
    """The system of the containers that such a Mac runs: the same processor, and Linux."""
    return system.removesuffix(_DARWIN) + "-linux"
