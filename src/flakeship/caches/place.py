"""The input `nix-cache`: where a cache is, and how much of it is kept, written as Nix's stores take their parameters.

registry · docker://REFERENCE · oci:DIR · file:///DIR · https://HOST/PATH, each with ?days=14&size=5G&inputs=true
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from flakeship.errors import UsageError
from flakeship.registry.reference import DOCKER_HUB, TRANSPORT, Reference, with_lower_repository

REPOSITORY: Final = "nix-cache"
"""What `registry` appends to the name of the image."""

_LIMITS: Final = ("days", "size")
_SYNTAX: Final = "write registry, docker://REFERENCE, oci:DIR, file:///DIR or https://HOST/PATH"
_FLAGS: Final = {"true": True, "false": False}
_MOST_DAYS: Final = 3650
_DIGITS: Final = 10

_FOLDER: Final = re.compile(r"/[A-Za-z0-9/._+=@,:~-]*[A-Za-z0-9._+=@,:~-]")
"""Folders of a `file` URL that every Nix reads alike: 2.8 does not decode `%20`, and later ones do."""

_ADDRESS: Final = re.compile(r"https?://[!-~]+")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a root keeps: paths used within `days`, in packs of `size` bytes in all."""

    days: int = 14
    size: int = 5 * 1024**3


@dataclass(frozen=True, slots=True)
class RegistryPlace:
    """A repository of a registry; None for the one that belongs to the image."""

    reference: Reference | None

    def beside(self, image: Reference) -> Reference:
        """Return the repository, for an image of that name. UsageError where its registry has no such names."""
        if self.reference:
            return self.reference
        if image.registry == DOCKER_HUB:
            raise UsageError(
                f"nix-cache: Docker Hub has no repository {image.name}/{REPOSITORY}: its names have two parts",
                hint="name a repository for the cache alone: `nix-cache: docker://docker.io/NAMESPACE/NAME`",
            )
        return Reference(image.registry, f"{image.repository}/{REPOSITORY}")


@dataclass(frozen=True, slots=True)
class LayoutPlace:
    """A folder that is, or becomes, an OCI image layout."""

    folder: Path


@dataclass(frozen=True, slots=True)
class StorePlace:
    """A binary cache as Nix knows it: a URL of `file`, `http` or `https`, without parameters of ours."""

    url: str = field(repr=False)


Place: TypeAlias = RegistryPlace | LayoutPlace | StorePlace


@dataclass(frozen=True, slots=True)
class NixCache:
    """The value of `nix-cache`. With `inputs` the inputs of the flake are kept too."""

    place: Place
    limits: Limits = field(default_factory=Limits)
    inputs: bool = False


def parse_nix_cache(text: str, *, size_of: Callable[[str, str], int], cwd: Path) -> NixCache:
    """Read the input. UsageError for what it is not. `size_of` reads a size, given the name of what holds it and its text."""
    written, _, query = text.strip().partition("?")
    place = _place(written, cwd)
    given = _parameters(query)
    limited = not isinstance(place, StorePlace)
    known = (*(_LIMITS if limited else ()), "inputs")
    for name in given:
        if name not in known:
            why = "" if name not in _LIMITS else ": what a cache of that kind keeps is not ours to remove"
            raise UsageError(
                f"nix-cache: {written} has no parameter {name!r}{why}",
                hint=f"leave it out; there are {', '.join(known)}",
            )
    usual = Limits()
    return NixCache(
        place,
        Limits(
            _days(given["days"]) if "days" in given else usual.days,
            _size(given["size"], size_of) if "size" in given else usual.size,
        ),
        _flag("inputs", given.get("inputs", "false")),
    )


def _place(text: str, cwd: Path) -> Place:
    scheme, colon, rest = text.partition(":")
    if text == "registry":
        return RegistryPlace(None)
    if text.startswith(TRANSPORT):
        reference = Reference.parse(with_lower_repository(text.removeprefix(TRANSPORT)))
        if reference.tag or reference.digest:
            raise UsageError(
                f"nix-cache: {text} has a tag or a digest, but the cache gives its tags itself",
                hint=f"write docker://{reference.name}",
            )
        return RegistryPlace(reference)
    if scheme == "oci" and colon and rest:
        if not rest.isprintable():
            raise UsageError(
                "nix-cache: the name of the folder holds a line break or a control character",
                hint="write oci:DIR",
            )
        return LayoutPlace(cwd / rest)
    if scheme in ("http", "https") and rest.startswith("//"):
        return _server(text)
    if scheme == "file" and rest.startswith("///"):
        return _store_folder(text.rstrip("/"))
    raise UsageError(f"nix-cache: {text[:200]!r} is not a place for a cache", hint=_SYNTAX)


def _server(text: str) -> StorePlace:
    try:
        parts = urlsplit(text)
        host = parts.hostname if "@" not in parts.netloc else ""
    except ValueError:  # a bracket of an IPv6 address is missing
        host = ""
    if not host:
        raise UsageError(
            "nix-cache: the URL has no host, or holds a password, which other users of this machine can read",
            hint="write https://HOST/PATH, and the password into a netrc file that `nix-config: netrc-file = FILE` names",
        )
    if not _ADDRESS.fullmatch(text) or "#" in text:
        raise UsageError(
            f"nix-cache: {text[:200]!r} holds a character that a URL can't have",
            hint="write https://HOST/PATH with %20 for a space",
        )
    return StorePlace(text.rstrip("/"))


def _store_folder(text: str) -> StorePlace:
    """Nix looks for a folder with another name in another place than we wrote to, and does not say that nothing is there."""
    if not _FOLDER.fullmatch(text.removeprefix("file://")):
        raise UsageError(
            f"nix-cache: {text[:200]!r} is not a folder that every version of Nix finds",
            hint="write file:///DIR with letters, digits and ._+=@,:~- in DIR, or take oci:DIR, which may have any name",
        )
    return StorePlace(text)


def _parameters(query: str) -> Mapping[str, str]:
    if not query:
        return {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    except ValueError as error:
        raise UsageError(
            f"nix-cache: {query[:100]!r} is not a list of parameters", hint="write ?days=14&size=5G"
        ) from error
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given:
            raise UsageError(f"nix-cache: the parameter {name!r} is given twice", hint="give it once")
        given[name] = value
    return given


def _days(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < _DIGITS and 1 <= int(text) <= _MOST_DAYS:
        return int(text)
    raise UsageError(
        f"nix-cache: days is {text[:100]!r}, which is not a number of days", hint="write days=14"
    )


def _size(text: str, size_of: Callable[[str, str], int]) -> int:
    size = size_of("nix-cache: size", text)
    if not size:
        raise UsageError(
            "nix-cache: size is 0, so that nothing could be kept", hint="leave `nix-cache` out for no cache"
        )
    return size


def _flag(name: str, text: str) -> bool:
    if text not in _FLAGS:
        raise UsageError(
            f"nix-cache: {name} is {text[:100]!r}, which is neither true nor false", hint=f"write {name}=true"
        )
    return _FLAGS[text]
