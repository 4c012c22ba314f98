"""The variant of an image with a shell in it, which the input `debug` asks for, under tags that end in `-debug`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from flakeship import events
from flakeship.commands.publish.result import Result
from flakeship.destinations.grammar import kind_of
from flakeship.errors import UsageError
from flakeship.settings.declaration import Settings

if TYPE_CHECKING:
    from flakeship.commands.publish.request import Request

DEBUG: Final = "-debug"
"""The suffix of its tags."""


def debug_settings(settings: Settings) -> Settings:
    """The inputs of the variant. The references that `tags` and `images` give get their suffix when they are known.

    UsageError for a destination that holds one image.
    """
    return dataclasses.replace(
        settings,
        debug=False,
        to=tuple(_varied(text) for text in settings.to),
        contents=(*settings.contents, settings.debug_shell),
        metadata_file="",
    )


def debug_of_image(image: str) -> UsageError:
    """The error for a variant of what is an image by itself: it would be the same image under another tag."""
    return UsageError(
        f"debug: {image} is an image already, and a shell can be put beside a package alone",
        hint="leave `debug` out, and publish an attribute that has the shell in its Nix expression under a tag of its own",
    )


def reusing(debug: Request, made: Result) -> Request:
    """The request for the variant, to look for layers at the tags of the image that was made just now."""
    tags = tuple(tag for place in made.published if "@" in place.reference for tag in place.tags)
    return dataclasses.replace(debug, destinations=debug.destinations.reusing(tags))


def warn_of_ignored_inputs(packages_only: Sequence[str], made: Result, emit: events.Emit) -> None:
    """Warn of inputs that matter to plain packages only, by the names of their fields, if `made` was an image already."""
    if packages_only and _is_image(made):
        names = ", ".join(name.replace("_", "-") for name in packages_only)
        emit(
            events.Warned(
                f"{made.name} is an image already, so {names} had no effect",
                hint="set the same in the Nix expression of the image: these inputs are for plain packages",
            )
        )


def check_has_variant(made: Result) -> None:
    """UsageError where what was published is an image by itself: of one that is there already nothing was built that shows it."""
    if _is_image(made):
        raise debug_of_image(made.name)


def _is_image(made: Result) -> bool:
    history = (entry for image in made.packed.images for entry in image.image.history)
    return not any(entry.get("created_by") == "flakeship" for entry in history)


def _varied(text: str) -> str:
    kind = kind_of(text)
    varied = kind.with_suffix(text, DEBUG) if kind else None
    if varied is None:
        raise UsageError(
            f"debug: {text!r} holds one image, but `debug` makes two",
            hint="publish the variant in a run of its own, with the shell among `contents`",
        )
    return varied
