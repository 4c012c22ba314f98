"""A plain package → the image of its closure: store paths as layers, the program as entry point."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from flakeship import events
from flakeship.errors import NotAnImageError, UsageError
from flakeship.image.annotations import LAYER_KEY, PROGRAM
from flakeship.image.model import EMPTY, Image, Layer
from flakeship.image.tar.writer import RECIPE
from flakeship.sources import registry_image
from flakeship.sources.choice import AbsentPlatformError
from flakeship.sources.closure.architecture import platform_of
from flakeship.sources.closure.base import OTHER_PLATFORM, BaseImage
from flakeship.sources.closure.furnishing import environment, furnished, links_for_base, user_of
from flakeship.sources.closure.furnishing import key_of as key_of_files
from flakeship.sources.closure.groups import Group, grouped
from flakeship.sources.closure.programs import program_of, warn_of_other_name
from flakeship.sources.opened import Opened, SourceRequest
from flakeship.sources.package import BY_PATHS, Package
from flakeship.sources.store_files import StoreFiles
from flakeship.sources.stream_script.recognition import is_script
from flakeship.store_paths import whole_store_path

KIND: Final = "package"

_STORE: Final = Path("/nix/store")
_BEGINNING: Final = "1970-01-01T00:00:01Z"
_PROGRAMS: Final = (b"\x7fELF", b"#!")


def matches(path: Path, head: bytes) -> bool:
    """A folder of the store, or a program or script that is all of its store path."""
    real = path.resolve()
    if real.is_dir():
        return real.parent == _STORE
    return head.startswith(_PROGRAMS) and os.access(real, os.X_OK) and bool(whole_store_path(path))


@contextlib.contextmanager
def opened(path: Path, request: SourceRequest) -> Iterator[Closure]:
    """Ask Nix about the package and open the image of its closure. NotAnImageError where there is no Nix."""
    if request.package is None:
        raise NotAnImageError(
            f"{path} is a package, but there is no Nix that could tell what it needs at run time",
            hint="install Nix, or name an image",
        )
    package = request.package()
    if _is_script(package):
        request.emit(
            events.Notice(
                f"{package.path} is a script, but not one of nixpkgs' streamLayeredImage, so the image starts it"
            )
        )
    if request.base is None:
        yield Closure(package)
        return
    platform = platform_of(package.system, path=package.path)
    with contextlib.ExitStack() as stack:
        try:
            opening = registry_image.opened(request.base, replace(request, platforms=(platform,)))
            below = stack.enter_context(opening)
        except AbsentPlatformError as error:
            raise UsageError(
                f"`base-image` is for {error.held}, but the package is for {platform}", hint=OTHER_PLATFORM
            ) from error
        yield Closure(package, below=below)


class Closure:
    """Layers that may be opened any number of times and at once, for the store is read in place."""

    forward_only = False

    def __init__(self, package: Package, *, below: Opened | None = None) -> None:
        self._package = package
        self._platform = platform_of(package.system, path=package.path)
        self._program = program_of(package) if package.wants_program else None
        self._base = BaseImage.of(below, self._platform)
        self._furnishing = links_for_base(package) if below else furnished(package)
        room = package.max_layers - len(self._base.image.layers) - bool(self._furnishing)
        self._groups = grouped(
            package.closure, top=package.path, limit=max(1, room), previous=package.previous
        )
        self._layers = tuple(_layer(group, package.files) for group in self._groups)
        if self._furnishing:
            self._layers += (_furnishing_layer(self._furnishing),)

    def layers(self) -> Iterator[Layer]:
        """Yield the layers of the base image, then those of the package."""
        return iter((*self._base.layers, *self._layers))

    def image(self) -> Image:
        """Return the image of the closure, on top of the base image."""
        comments = [f"store paths: {sorted(path.path for path in group)}" for group in self._groups]
        comments += ["links, user and folders"] * bool(self._furnishing)
        return self._base.under(
            Image(
                config={
                    **self._platform.to_json(),
                    "created": _BEGINNING,
                    "config": self._runtime(),
                },
                platform=self._platform,
                layers=tuple(layer.key for layer in self._layers),
                diff_ids=(None,) * len(self._layers),
                history=tuple(
                    {"created": _BEGINNING, "created_by": "flakeship", "comment": comment}
                    for comment in comments
                ),
                annotations=self._chosen_by(),
            )
        )

    def _runtime(self) -> dict[str, Any]:
        linked = not self._base.layers
        variables = environment(self._package, linked=linked)
        runtime: dict[str, Any] = {"Env": [f"{name}={value}" for name, value in variables.items()]}
        if linked or self._package.user:
            runtime["User"] = user_of(self._package.user).spelled
        if self._program:
            runtime["Entrypoint"] = [self._program.path]
        return runtime

    def _chosen_by(self) -> Mapping[str, str]:
        """The record of how the program was chosen, for a change of `meta.mainProgram` changes no store path."""
        if self._program is None:
            return EMPTY
        if self._program.chosen_by is None:
            warn_of_other_name(self._package, self._program.path)
            return EMPTY
        return {PROGRAM: self._program.chosen_by.written}


def key_of(group: Group) -> str:
    """Return the key of a layer: a digest of its store paths, of their contents, and of how they are written."""
    lines = sorted(f"{path.path} {path.nar_hash}\n" for path in group)
    return f"{BY_PATHS}{hashlib.sha256(''.join((RECIPE, chr(10), *lines)).encode()).hexdigest()}"


def _layer(group: Group, files: StoreFiles) -> Layer:
    key, paths = key_of(group), sorted(path.path for path in group)
    return Layer(key, functools.partial(files.tar_of, paths), annotations={LAYER_KEY: key})


def _is_script(package: Package) -> bool:
    files = package.files
    return files.is_program(package.path) and is_script(files.here(package.path))


def _furnishing_layer(data: bytes) -> Layer:
    key = key_of_files(data)
    return Layer(key, lambda: io.BytesIO(data), size=len(data), annotations={LAYER_KEY: key})
