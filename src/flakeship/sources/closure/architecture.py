"""Nix's names of systems → those of image-spec (GOARCH and variants), and back."""

from __future__ import annotations

from typing import Final

from flakeship.errors import NotAnImageError
from flakeship.image.model import Platform

_ARCHITECTURES: Final = {
    "x86_64": Platform("linux", "amd64"),
    "aarch64": Platform("linux", "arm64", "v8"),
    "armv7l": Platform("linux", "arm", "v7"),
    "armv6l": Platform("linux", "arm", "v6"),
    "armv5tel": Platform("linux", "arm", "v5"),
    "i686": Platform("linux", "386"),
    "powerpc64le": Platform("linux", "ppc64le"),
    "powerpc64": Platform("linux", "ppc64"),
    "s390x": Platform("linux", "s390x"),
    "riscv64": Platform("linux", "riscv64"),
    "loongarch64": Platform("linux", "loong64"),
    "mips64el": Platform("linux", "mips64le"),
    "mipsel": Platform("linux", "mipsle"),
}


def platform_of(system: str, *, path: str) -> Platform:
    """Return the platform of a Nix system such as `x86_64-linux`. NotAnImageError for one that no container runs."""
    architecture, _, kernel = system.partition("-")
    if kernel != "linux" or architecture not in _ARCHITECTURES:
        raise NotAnImageError(
            f"{path} is built for {system or 'an unknown system'}, but containers run Linux",
            hint="build the package for Linux, such as `.#packages.x86_64-linux.default`, with a Linux builder",
        )
    return _ARCHITECTURES[architecture]


def system_of(platform: Platform) -> str:
    """Return the Nix system that builds for a platform, `x86_64-linux`; empty for a platform that Nix has no system for."""
    known = (name for name, each in _ARCHITECTURES.items() if each.means(platform))
    return f"{name}-linux" if (name := next(known, "")) else ""
