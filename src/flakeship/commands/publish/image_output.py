"""A package of several outputs: which of them is the image, and an error that names them where that can't be told."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from flakeship import sources
from flakeship.commands.publish.parts import Obtained
from flakeship.errors import BuildError, NotAnImageError
from flakeship.sources.opened import Opened, SourceRequest
from flakeship.sources.store_files import LOCAL
from flakeship.store_paths import STORE

if TYPE_CHECKING:
    from flakeship.commands.building.other_store import OtherStore
    from flakeship.nix.build import BuildOutput
    from flakeship.nix.command import Nix
    from flakeship.nix.installable import Installable


def check_one_image(output: BuildOutput, installable: Installable, *, place: OtherStore | None) -> None:
    """NotAnImageError where several of the outputs that were asked for are images: all but the first would be dropped."""
    if len(output.outputs) < 2:
        return
    images = [name for name, path in output.outputs.items() if is_one(path, place)]
    if len(images) < 2:
        return
    raise NotAnImageError(
        f"{installable} has {len(images)} outputs that are images, {', '.join(images)}, but only one can be published",
        hint=f"name the one to publish: {' or '.join(f'`{_of_output(installable, name)}`' for name in images)}",
    )


def is_one(path: str, place: OtherStore | None) -> bool:
    """Whether the output at this path of the store is an image by itself; of another store, there."""
    if place is None:
        return sources.is_image(Path(path))
    from flakeship.sources.elsewhere import is_image

    place.closure(path)
    return is_image(path, place.files)


@contextlib.contextmanager
def opened(obtained: Obtained, request: SourceRequest, nix: Callable[[], Nix]) -> Iterator[Opened]:
    """Open what was obtained. The error about an output that is no image names another of the package that is one."""
    with contextlib.ExitStack() as stack:
        try:
            source = stack.enter_context(sources.opened(obtained.path, request))
        except NotAnImageError as error:
            if obtained.output is None or obtained.buildable is None or request.files is not LOCAL:
                raise
            images = _other_images(obtained.output, nix())
            if not images:
                raise
            named = " or ".join(f"`{_of_output(obtained.buildable.installable, name)}`" for name in images)
            raise NotAnImageError(
                error.message,
                hint=f"name another output of the package, which is an image: {named}; or {error.hint}",
                detail=error.detail,
            ) from error
        yield source


def _other_images(output: BuildOutput, nix: Nix) -> list[str]:
    """Outputs that are images, but for the first that was asked for, which is what could not be opened."""
    others = _outputs_of(output, nix)
    return [name for name, path in others.items() if path != output.out_path and sources.is_image(Path(path))]


def _outputs_of(output: BuildOutput, nix: Nix) -> Mapping[str, str]:
    """Every output of the derivation with its path, where that is known; also those that the package does not install."""
    from flakeship.nix.build import derivation_document

    try:
        listed = derivation_document(nix, output.drv_path)["outputs"] if output.drv_path else {}
    except BuildError:
        return output.outputs
    paths = {str(name): str(said["path"]) for name, said in listed.items() if said.get("path")}
    whole = {name: path if path.startswith("/") else STORE + path for name, path in paths.items()}
    return {**whole, **output.outputs}


def _of_output(installable: Installable, name: str) -> str:
    return str(replace(installable, outputs=(name,)))
