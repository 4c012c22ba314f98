"""The command `why`: the chains of references by which a package is in an image, and the layer that holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flakeship import events
from flakeship.commands.held_image import bill_at, held_by, listed, roots_of
from flakeship.commands.run import Run, open_run
from flakeship.commands.runtime import Runtime
from flakeship.commands.why.attached import attached_bill
from flakeship.commands.why.meant import check_package, meant_by
from flakeship.commands.why.references import references_of
from flakeship.difference.model import Held
from flakeship.errors import NotAnImageError, UsageError
from flakeship.printable import counted
from flakeship.report.why import Reason, Why, why_json, why_text
from flakeship.sbom.chains import References, chains_to, referrers, tops
from flakeship.settings.declaration import Settings
from flakeship.store_paths import store_paths_in

_STARTS: Final = ("Entrypoint", "Cmd")


def run(settings: Settings, runtime: Runtime) -> str:
    """Find the chains, and return the text to print."""
    if not (settings.image and settings.package):
        missing = "no package is named" if settings.image else "no image is named"
        raise UsageError(
            f"`why` needs an image and a package, and {missing}",
            hint="write `flakeship why ghcr.io/owner/name:1 openssl`, or a path in place of the reference",
        )
    check_package(settings.package)
    with open_run(settings, runtime, builds=False) as opened:
        found = why(settings, opened)
    return why_json(found) if settings.json else why_text(found)


def why(settings: Settings, run_: Run) -> Why:
    """Tell for each store path that `package` means how it comes into the image.

    UsageError where several images are meant, and where it is in none; NotAnImageError where no store path is in the image.
    """
    held, known = _held(settings, run_)
    if untold := sum(not layer.told for layer in held.layers):
        run_.emit(
            events.Notice(
                f"not looked into: {counted(untold, 'layer')} of which the history names no store path, as it does of others"
            )
        )
    found = meant_by(settings.package, held.paths, held.stated, held.name)
    told = references_of(held.paths, known, (), run_)
    if _unknown(held, told) and (bill := attached_bill(settings.image, held.digest, run_)):
        told = bill.references  # it is whole, and mixed with others it would not be
    told = references_of(held.paths, told, settings.substituters, run_)
    if unknown := _unknown(held, told):
        _tell_of_unknown(unknown, held, run_)
    starts = _started(held)
    made_from = frozenset(roots_of(held))
    roots = tops(held.paths, told) | made_from | starts.keys()
    above, root_nodes = referrers(held.paths, told), {told.node(root) for root in roots}
    reasons = tuple(
        Reason(
            path,
            next((layer for layer in held.layers if path in layer.paths), None),
            chains_to(path, roots, above, told),
            is_root=told.node(path) in root_nodes,
        )
        for path in found
    )
    words = {**dict.fromkeys(made_from, "the package"), **starts}
    return Why(held, reasons, told, words, all_known=not unknown)


def _unknown(held: Held, told: References) -> int:
    return sum(told.node(path) not in told.below for path in held.paths)


def _held(settings: Settings, run_: Run) -> tuple[Held, References]:
    """The image or package, and what an SBOM tells of it."""
    images = held_by(settings, run_)
    if bill := bill_at(run_.runtime.cwd / settings.image):
        return images[0], bill.references
    if len(images) > 1:
        names = ", ".join(each.platform for each in images)
        raise UsageError(
            f"{settings.image} holds {counted(len(images), 'image')}, for {names}, and `why` looks at one",
            hint=f"name the platform: `--platforms {images[0].platform}`",
        )
    held = listed(images[0], (), settings, run_)
    if not held.paths:
        raise NotAnImageError(
            f"{held.name} holds no store path, so nothing in it refers to anything by Nix's rules",
            hint="ask this of an image that Nix made; `flakeship inspect` shows the layers of any image",
        )
    return held, References()


def _started(held: Held) -> Mapping[str, str]:
    """The store paths that the config names, each with the setting that names it; settings that start the container come first."""
    said = held.config.get("config")
    runtime = said if isinstance(said, Mapping) else {}
    found: dict[str, str] = {}
    for name in (*_STARTS, "Env"):
        for path in store_paths_in(str(runtime.get(name) or "")):
            if path in held.paths:
                found.setdefault(path, name)
    return found


def _tell_of_unknown(unknown: int, held: Held, run_: Run) -> None:
    every = unknown == len(held.paths)
    run_.emit(
        events.Warned(
            f"nobody here knows what {'the store paths' if every else f'{unknown} of {len(held.paths)} store paths'} of {held.name} refer to"
            + ("" if every else ", so chains may be missing"),
            "run this where the image was built, since the store there knows it; or name a cache that has the paths: `--substituters URL`",
        )
    )
