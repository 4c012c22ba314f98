"""What Nix calls the system that makes images for a platform.

https://nix.dev/manual/nix/latest/command-ref/conf-file#conf-system has Nix's names.
"""

from __future__ import annotations

import os
from typing import Final

from flakeship.image.model import Platform

_PROCESSORS: Final = {
    "amd64": "x86_64",
    "arm64": "aarch64",
    "386": "i686",
    "arm/v7": "armv7l",
    "arm/v6": "armv6l",
    "ppc64le": "powerpc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
    "loong64": "loongarch64",
}


def system_of(platform: Platform) -> str:
    """Return `aarch64-linux` for linux/arm64; empty where Nix has none."""
    os_, architecture, variant = platform.normal
    named = f"{architecture}/{variant}" if architecture == "arm" else architecture
    processor = _PROCESSORS.get(named, "")
    return f"{processor}-linux" if processor and os_ == "linux" else ""


def host_platform() -> Platform:
    """The platform of containers on this machine: its processor, and Linux."""
    return Platform.of("linux", os.uname().machine).shortest


def states_system(names: tuple[str, ...]) -> str:
    """Return the system that an attribute path names, as in `packages.x86_64-linux.image`; empty where it names none."""
    within = len(names) > 1 and names[0] in {"packages", "legacyPackages", "defaultPackage"}
    return names[1] if within and "-" in names[1] else ""
