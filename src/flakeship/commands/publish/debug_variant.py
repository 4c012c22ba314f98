"""One run, several images: the one asked for, and with `debug` the same with a shell in it, under tags of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final

from flakeship import events
from flakeship.commands.publish.pipeline import Result, publish
from flakeship.commands.runtime import Runtime
from flakeship.destinations.grammar import kind_of
from flakeship.errors import UsageError
from flakeship.settings.declaration import Settings

DEBUG: Final = "-debug"
"""What its tags end with."""


def publish_all(settings: Settings, runtime: Runtime, *, tag: str = "") -> tuple[Result, ...]:
    """Publish the image, and what is asked for beside it. UsageError, before anything is built, where that can't be.

    `tag` names the image in a layout where nothing else does.
    """
    debug = debugged(settings) if settings.debug else None
    made = publish(settings, runtime, tag=tag)
    _warn(settings, made, runtime)
    if debug is None:
        return (made,)
    debug = dataclasses.replace(debug, reuse_from=tuple(_tags(made)) or settings.reuse_from)
    return made, publish(debug, runtime, variant=DEBUG, tag=f"{tag or 'latest'}{DEBUG}")


def _warn(settings: Settings, made: Result, runtime: Runtime) -> None:
    """Of inputs that an image, being made already, can't heed."""
    given = settings.given("packages-only")
    if not given:
        return
    from flakeship.sources.package import BY_PATHS

    layers = [layer.key for image in made.packed.images for layer in image.layers]
    if not any(key.startswith(BY_PATHS) for key in layers):
        names = ", ".join(name.replace("_", "-") for name in given)
        runtime.emit(
            events.Warned(
                f"{made.obtained.name} is an image already, so nothing came of {names}",
                hint="these are for plain packages; for an image, say it in its Nix expression",
            )
        )


def debugged(settings: Settings) -> Settings:
    """The inputs of the variant, but for the references of `tags` and `images`, which get their end when they are known."""
    return dataclasses.replace(
        settings,
        debug=False,
        to=tuple(_varied(text) for text in settings.to),
        contents=(*settings.contents, settings.debug_shell),
        metadata_file="",
    )


def _varied(text: str) -> str:
    kind = kind_of(text)
    varied = kind.with_suffix(text, DEBUG) if kind else None
    if varied is None:
        raise UsageError(
            f"debug: {text!r} holds one image, and with `debug` there are two",
            hint="publish the variant in a run of its own, with the shell among `contents`",
        )
    return varied


def _tags(made: Result) -> Iterable[str]:
    return (tag for place in made.published if "@" in place.reference for tag in place.tags)
