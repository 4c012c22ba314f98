"""The command `diff`: two images, wherever they are, compared by their documents. Nothing is built, and mostly no layer is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flakeship.commands.held_image import held_by, listed, with_paths
from flakeship.commands.run import Run, open_run
from flakeship.commands.runtime import Runtime
from flakeship.difference.compare import by_blob, difference, layers_by
from flakeship.difference.model import Difference, Held
from flakeship.errors import UsageError
from flakeship.image.model import Platform
from flakeship.printable import counted
from flakeship.report.difference import Differences, differences_json, differences_text
from flakeship.settings.declaration import Settings
from flakeship.sources.choice import SeveralImagesError


def run(settings: Settings, runtime: Runtime) -> str:
    """Compare, and return the text to print."""
    if not (settings.image and settings.newer):
        missing = "the newer one is missing" if settings.image else "none is named"
        raise UsageError(
            f"`diff` needs two images, and {missing}",
            hint="write `flakeship diff ghcr.io/owner/name:1 ghcr.io/owner/name:2`, or paths in place of references",
        )
    with open_run(settings, runtime, builds=False) as opened:
        found = differences(settings, opened)
    return differences_json(found) if settings.json else differences_text(found)


def differences(settings: Settings, run_: Run) -> Differences:
    """Compare what `image` and `newer` name, platform by platform. UsageError where they have no platform in common."""
    newer = replace(settings, image=settings.newer)
    old, new = _held(settings, run_), _held(newer, run_)
    pairs = _pairs(old, new)
    compared = tuple(_compared(*pair, settings, newer, run_) for pair in pairs)
    paired = {id(each) for pair in pairs for each in pair}
    alone = [tuple(each.platform for each in side if id(each) not in paired) for side in (old, new)]
    return Differences(compared, *alone)


def _held(settings: Settings, run_: Run) -> tuple[Held, ...]:
    """Return what one of the two operands names. If an archive holds several images, SeveralImagesError says how to
    choose in the operand itself: an input would hold for both.
    """
    try:
        return held_by(settings, run_)
    except SeveralImagesError as error:
        raise SeveralImagesError(
            f"{settings.image}: {error.message}",
            hint="write the name of the image behind that of the file: `docker-archive:FILE:NAME`, `oci-archive:FILE:NAME` or `oci:FOLDER:NAME`",
        ) from error


def _compared(old: Held, new: Held, settings: Settings, newer: Settings, run_: Run) -> Difference:
    """Layers that both have are not read, because what lies in them does not differ; unless another layer removes some of it from one of the images."""
    blobs = by_blob(old.layers, new.layers)
    before, after = layers_by(old.layers, blobs=blobs), layers_by(new.layers, blobs=blobs)
    both = before.keys() & after.keys()
    read = listed(old, both, settings, run_), listed(new, both, newer, run_)
    if both and any(layer.removes for side in read for layer in side.layers):
        read = listed(old, (), settings, run_), listed(new, (), newer, run_)
    old, new = read
    told = {key: before[key].paths or after[key].paths for key in both}
    return difference(with_paths(old, told), with_paths(new, told))


def _pairs(old: Sequence[Held], new: Sequence[Held]) -> list[tuple[Held, Held]]:
    """Pair the images that are for one platform. A package states none: it is compared where the other side is a single image."""
    packages = [each for each in (*old, *new) if not each.is_image]
    if packages:
        for side in (old, new):
            if len(side) > 1:
                names = ", ".join(each.platform for each in side)
                raise UsageError(
                    f"{side[0].name} holds {counted(len(side), 'image')}, for {names}, and {packages[0].name} is a package or an SBOM",
                    hint=f"name the platform: `--platforms {side[0].platform}`",
                )
        return [(old[0], new[0])]
    left = list(new)
    pairs = []
    for each in old:
        same = [other for other in left if _platform(other).means(_platform(each))]
        same.sort(key=lambda other: other.config.get("os.version") != each.config.get("os.version"))
        if same:
            left.remove(same[0])
            pairs.append((each, same[0]))
    if not pairs:
        raise UsageError(
            f"{old[0].name} is for {_names(old)}, and {new[0].name} is for {_names(new)}: no platform is in both",
            hint="name images of one platform; `flakeship inspect` shows the platforms of each",
        )
    return pairs


def _names(side: Sequence[Held]) -> str:
    return ", ".join(each.platform for each in side)


def _platform(held: Held) -> Platform:
    os, _, rest = held.platform.partition("/")
    architecture, _, variant = rest.partition("/")
    return Platform(os, architecture, variant)
