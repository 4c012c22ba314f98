"""Where an image is to go, worked out from `to` and the references that name it; nothing is opened or asked yet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from flakeship.errors import UsageError
from flakeship.registry.reference import Reference

# https://github.com/opencontainers/image-spec/blob/main/annotations.md, org.opencontainers.image.ref.name
_REF_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/:@+-]{0,254}")
DEFAULT_LAYOUT: Final = "./flakeship-image"


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository of a registry, and the tags to write there."""

    registry: str
    repository: str
    tags: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.registry}/{self.repository}"


@dataclass(frozen=True, slots=True)
class Layout:
    """An OCI image layout; an empty `tag` takes the image's own."""

    directory: Path
    tag: str


Target: TypeAlias = Repository | Layout


def targets(*, to: Sequence[str], references: Sequence[str], cwd: Path) -> tuple[Target, ...]:
    """Each place once, a repository with all of its tags. UsageError for a malformed or unknown destination.

    `references` are full ones. Without any, and without `to`, the image goes to a layout in the current folder.
    """
    layouts: list[Layout] = []
    named = [Reference.parse(text) for text in references]
    for text in to:
        scheme, _, rest = text.partition(":")
        match scheme:
            case "docker":
                named.append(_registry_reference(text))
            case "oci":
                layouts.append(_layout(rest, text, cwd))
            case _:
                raise UsageError(
                    f"to: {text!r} is no destination that flakeship knows",
                    hint="write docker://REFERENCE or oci:DIR[:TAG]",
                )
    if not named and not to:
        layouts.append(_layout(DEFAULT_LAYOUT, DEFAULT_LAYOUT, cwd))
    return (*_repositories(named), *dict.fromkeys(layouts))


def _registry_reference(text: str) -> Reference:
    if not text.startswith("docker://"):
        raise UsageError(
            f"to: {text!r} lacks the two slashes", hint=f"write docker://{text.partition(':')[2]}"
        )
    return Reference.parse(text.removeprefix("docker://"))


def _layout(rest: str, text: str, cwd: Path) -> Layout:
    folder, _, tag = rest.partition(":")
    if not folder:
        raise UsageError(f"to: {text!r} names no folder", hint="write oci:DIR or oci:DIR:TAG")
    if "\0" in rest or "\n" in rest:
        raise UsageError(
            "to: the folder's name holds a line break or a NUL", hint="write oci:DIR or oci:DIR:TAG"
        )
    if tag and not _REF_NAME.fullmatch(tag):
        raise UsageError(
            f"to: {tag!r} can't name an image of a layout", hint="use letters, digits and . _ - / : @ +"
        )
    return Layout(cwd / folder, tag)


def _repositories(named: Iterable[Reference]) -> tuple[Repository, ...]:
    tags: dict[tuple[str, str], list[str]] = {}
    for reference in named:
        if reference.digest:
            raise UsageError(
                f"{reference} names a digest: that of what is pushed is known only when it is made",
                hint="name a tag",
            )
        tags.setdefault((reference.registry, reference.repository), []).append(reference.tag or "latest")
    return tuple(Repository(*place, tuple(dict.fromkeys(written))) for place, written in tags.items())
