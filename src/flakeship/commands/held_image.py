"""What an image or a package holds, for commands that compare and explain: from its documents, and from layers only if those are silent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flakeship import events
from flakeship.commands.inspect import inspect
from flakeship.commands.run import Run
from flakeship.commands.sbom.command import buildable_of, built_outputs, check_there, package_at
from flakeship.commands.sbom.holding import of_package, opened_image, paths_in_layer
from flakeship.difference.model import Held, HeldLayer, PackageName
from flakeship.difference.packages import only_packages
from flakeship.errors import NotAnImageError, UsageError
from flakeship.image.annotations import SOURCE
from flakeship.lint.view import tells_contents
from flakeship.printable import counted
from flakeship.report.inspection import InspectedLayer, Inspection
from flakeship.sbom.layer_paths import LayerPaths, visible
from flakeship.settings.declaration import Settings

if TYPE_CHECKING:  # hardly an image is an SBOM
    from flakeship.sbom.reading import ReadBill

_HEAD: Final = 4096
_MOST_BYTES: Final = 256 << 20


def held_by(settings: Settings, run_: Run) -> tuple[Held, ...]:
    """Return what the input `image` names: an image for each platform, or a package. It is there already, and nothing is built.

    UsageError where it is nowhere, BuildError where it is not built, NotAnImageError where it is something else.
    """
    text = settings.image
    path, buildable = run_.runtime.cwd / text, buildable_of(text, run_)
    outputs: tuple[str, ...] = ()
    if buildable:
        outputs = built_outputs(buildable)
        path = Path(outputs[0])
    if bill := bill_at(path):
        names = {each: PackageName(*name) for each, name in bill.names.items()}
        return (Held(name=text, paths=only_packages(names), stated=names),)
    if package := package_at(path):
        holding = of_package((package, *outputs[1:]), run_)
        return (Held(name=text, paths=only_packages(holding.paths)),)
    if not buildable:
        check_there(text, path)
    found = inspect(replace(settings, image=outputs[0]) if outputs else settings, run_)
    images = [_of_image(each, text) for each in found if isinstance(each, Inspection)]
    if not images:
        raise NotAnImageError(f"{text} holds no image", hint="name an image, not what describes one")
    return tuple(images)


def bill_at(path: Path) -> ReadBill | None:
    """Return the SBOM that a file is; None for anything else. UsageError for one that can't be used."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD) if path.is_file() else b""
            if head.lstrip().startswith(b"{") and b'"spdxVersion"' in head:
                raise UsageError(
                    f"{path} is an SBOM in SPDX, which is not read",
                    hint="name one in CycloneDX, as `flakeship sbom` writes it without `--format`, or an image",
                )
            if not head.lstrip().startswith(b"{") or b'"bomFormat"' not in head:
                return None
            data = head + file.read(_MOST_BYTES)
    except (OSError, ValueError):  # a folder, a name that is too long, or no name of a file
        return None
    from flakeship.sbom.reading import read_bill

    try:
        return read_bill(data)
    except ValueError as error:
        raise UsageError(
            f"{path} can't be read as an SBOM: {error}",
            hint="name one that `flakeship sbom` wrote in CycloneDX, or an image",
        ) from error


def _of_image(image: Inspection, text: str) -> Held:
    layers = tuple(map(_layer, image.layers))
    return Held(
        name=text if image.name.startswith("/") else image.name,
        digest=image.digest,
        platform=image.platform,
        layers=layers,
        config=image.config,
        annotations=image.annotations,
        paths=only_packages(path for layer in layers for path in layer.paths),
        index=image.index.digest if image.index else "",
    )


def _layer(layer: InspectedLayer) -> HeldLayer:
    """Without a blob the size is that of the tar."""
    return HeldLayer(
        layer.digest or "",
        layer.diff_id or "",
        layer.size if layer.digest else None,
        layer.unpacked,
        tuple(sorted(only_packages(layer.store_paths))),
        told=tells_contents(layer.store_paths, layer.comment),
    )


def roots_of(held: Held) -> tuple[str, ...]:
    """Return the store paths that the image says it was made from, those of them that are in it."""
    return tuple(path for path in held.annotations.get(SOURCE, "").split() if path in held.paths)


def listed(held: Held, but: Collection[str], settings: Settings, run_: Run) -> Held:
    """Return the image with the store paths that lie in its layers, if its history names none; `but` are layers to leave out.

    Each layer that is not left out is read as a whole. What one of them removes of a layer that is left out stays unknown: see `HeldLayer.removes`.
    """
    wanted = [layer for layer in held.layers if not {layer.digest, layer.diff_id} & set(but)]
    if held.paths or not wanted:
        return held
    run_.emit(
        events.Notice(
            f"{counted(len(wanted), 'layer')} of {held.name} {'is' if len(wanted) == 1 else 'are'} read, because the history names no store path"
        )
    )
    names = {name for layer in wanted for name in (layer.digest, layer.diff_id) if name}
    found: dict[str, LayerPaths] = {}
    with opened_image(settings, run_) as source:
        for layer in source.layers():
            known = {layer.diff_id or "", layer.compressed.digest if layer.compressed else ""} - {""}
            if known and not known & names:
                continue
            found |= dict.fromkeys(known, paths_in_layer(layer, held.name))
    contents = [found.get(layer.digest, found.get(layer.diff_id)) for layer in held.layers]
    left = visible([each or LayerPaths() for each in contents])
    layers = tuple(
        layer
        if read is None
        else replace(layer, paths=tuple(sorted(only_packages(paths))), told=True, removes=read.removes)
        for layer, read, paths in zip(held.layers, contents, left, strict=True)
    )
    return replace(held, layers=layers, paths=frozenset(path for layer in layers for path in layer.paths))


def with_paths(held: Held, found: Mapping[str, Iterable[str]]) -> Held:
    """Return the image with these store paths in the layers of which nothing else tells any; `found` is by digest or diff_id."""

    def told(layer: HeldLayer) -> HeldLayer:
        paths = found.get(layer.digest, found.get(layer.diff_id))
        return (
            layer
            if layer.told or layer.paths or paths is None
            else replace(layer, paths=tuple(sorted(paths)), told=True)
        )

    layers = tuple(map(told, held.layers))
    return replace(held, layers=layers, paths=held.paths | {path for layer in layers for path in layer.paths})
