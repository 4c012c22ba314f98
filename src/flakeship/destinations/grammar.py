"""The targets of a run, worked out from `to`, `load` and the references that name the image; nothing is opened yet."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, cast

from flakeship import destinations
from flakeship.destinations import registry
from flakeship.destinations.kind import Defaults, Kind, Target
from flakeship.errors import UsageError
from flakeship.registry.reference import Reference

DEFAULT: Final = "oci:./flakeship-image"
"""Where an image goes that nobody named and sent nowhere."""

_LOAD: Final = {"docker": "docker-daemon:", "podman": "containers-storage:"}
"""The destination that each choice of the input `load` stands for."""


def targets(
    *, to: Sequence[str], references: Sequence[str], cwd: Path, load: str = "", tag: str = ""
) -> tuple[Target, ...]:
    """Return each target once: first the repositories, each with all of its tags, then the others as they are written.

    `references` are full ones. Without any, and without `to` and `load` (`docker`, `podman`), the image goes to a layout
    in the current folder. A layout that is given no tag takes `tag`, else the first reference's, else the image's own.
    UsageError for a malformed or unknown destination, and if two would write the same file.
    """
    written = [*to, *([_LOAD[load]] if load else [])]
    named = [Reference.parse(text) for text in references]
    tag = tag or next((reference.tag or "latest" for reference in named), "")
    defaults = Defaults(cwd=cwd, references=tuple(references), tag=tag)
    parsed = [parse(text, defaults) for text in written]
    if not named and not written:
        parsed.append(parse(DEFAULT, defaults))
    repositories = [target for target in parsed if isinstance(target, registry.Repository)]
    others = dict.fromkeys(target for target in parsed if not isinstance(target, registry.Repository))
    _check_replaced(tuple(others))
    return (*registry.merged([*map(registry.repository_of, named), *repositories]), *others)


def parse(text: str, defaults: Defaults) -> Target:
    """Understand one destination. UsageError if it is malformed, or of no kind that is known."""
    kind = kind_of(text)
    if kind is None:
        *first, last = (form for kind in kinds() for form in kind.SYNTAX)
        raise UsageError(
            f"to: {text!r} is not a destination that flakeship knows",
            hint=f"write docker-archive:{text} for `docker load`, or oci-archive:{text}"
            if text.endswith(".tar")
            else f"write {', '.join(first)}, or {last}",
        )
    return kind.parse(text, defaults)


def kinds() -> Iterator[Kind]:
    """Import the kinds one after the other, as far as they are asked for."""
    for name in destinations.DESTINATIONS:
        yield cast("Kind", importlib.import_module(name))


def kind_of(text: str) -> Kind | None:
    """Return the kind whose scheme `text` begins with; None for text without a scheme, such as a path or a plain reference."""
    scheme, colon, _ = text.partition(":")
    if scheme == "-" and colon:  # `-` is the whole destination
        return None
    return next((kind for kind in kinds() if scheme in kind.SCHEMES), None)


def holds_one_image(text: str) -> bool:
    """Return True if a second image sent to the same text would take the place of the first.

    Either the destination holds a single image, or `text` gives the image its tag.
    """
    kind = kind_of(text)
    return kind is not None and kind.with_suffix(text, "-other") != text


def _check_replaced(found: Sequence[Target]) -> None:
    """UsageError if the second of two targets would be written in place of the first."""
    files = [target.replaces for target in found if target.replaces]
    if twice := next((file for file in files if files.count(file) > 1), None):
        raise UsageError(
            f"to: two destinations write {twice}, so the second would replace the first",
            hint="name a file for each of them",
        )
