"""Reads versions for the rules `semver` and `pep440`, with the libraries semver and packaging."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_LONGEST = 256
_LARGEST = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Version:
    """A version. `names` are the names that templates can use, `plain` is the tag where no template is used.

    `stable` is False for a pre-release, and for PEP 440 also for a post- or development release.
    """

    names: Mapping[str, str | int]
    plain: str
    stable: bool


def parse_semver(text: str) -> Version | None:
    """Read a semantic version with an optional `v`, as node-semver does in its strict mode; None for any other text.

    The limits of length and of numbers are those of https://github.com/npm/node-semver/blob/main/internal/constants.js.
    """
    import semver

    raw = text.strip()
    if len(raw) > _LONGEST:
        return None
    try:
        version = semver.Version.parse(raw.removeprefix("v"))
    except ValueError:
        return None
    if max(version.major, version.minor, version.patch) > _LARGEST:
        return None
    plain = f"{version.major}.{version.minor}.{version.patch}" + (
        f"-{version.prerelease}" if version.prerelease else ""
    )
    names: dict[str, str | int] = {
        "raw": text,
        "version": plain,
        "major": version.major,
        "minor": version.minor,
        "patch": version.patch,
        "prerelease": (version.prerelease or "").replace(".", ","),
        "build": (version.build or "").replace(".", ","),
    }
    return Version(names, plain, stable=not version.prerelease)


def parse_pep440(text: str) -> Version | None:
    """Read a version of PEP 440; None for any other text. Commas join the parts of a local version, as JavaScript does."""
    from packaging import version as pep440

    if text != text.strip():
        return None
    try:
        version = pep440.Version(text)
    except ValueError:  # also for a number of more digits than Python reads
        return None
    clean = version.public + (f"+{version.local.replace('.', ',')}" if version.local else "")
    names: dict[str, str | int] = {
        "raw": text,
        "version": clean,
        "major": version.major,
        "minor": version.minor,
        "patch": version.micro,
    }
    return Version(names, clean, stable=not (version.is_prerelease or version.is_postrelease))
