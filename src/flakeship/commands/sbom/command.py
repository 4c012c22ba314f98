"""The command `sbom`: what is in an image or a package, as an SBOM. Nothing is built, and no layer is read that tells its contents."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flakeship import __version__
from flakeship.commands.run import Run, open_run
from flakeship.commands.runtime import Runtime
from flakeship.commands.sbom.holding import (
    Holding,
    chosen_image,
    is_in_registry,
    of_image,
    of_inspection,
    of_package,
)
from flakeship.commands.sbom.knowledge import knowledge_of, tell
from flakeship.errors import BuildError, ResourceError, UsageError
from flakeship.image.model import parse_digest
from flakeship.redaction import redacted_result
from flakeship.registry.reference import TRANSPORT, Reference
from flakeship.report.inspection import Inspection
from flakeship.sbom.components import bill_of
from flakeship.sbom.formats import FORMATS, Format, written_as
from flakeship.sbom.model import Bill
from flakeship.settings.declaration import Settings
from flakeship.store_paths import hash_of, whole_store_path

if TYPE_CHECKING:  # of an image that exists nothing is evaluated
    from flakeship.commands.building.buildable import Buildable

_FLAKE: Final = re.compile(
    r"(?:github|gitlab|sourcehut|flake|path|git\+[a-z]+|hg\+[a-z]+|tarball\+[a-z]+):.+"
)


def run(settings: Settings, runtime: Runtime) -> str:
    """Return the SBOM, or the name of the file that it was written to."""
    form = _form(settings)
    with open_run(settings, runtime, builds=False) as opened:
        text = sbom_of(settings, opened, form)
    if not settings.output:
        return text
    path = runtime.cwd / settings.output
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(redacted_result(text) + "\n", encoding="utf-8")
    except OSError as error:
        raise ResourceError(
            f"can't write the SBOM to {path}: {error.strerror}",
            hint="name a file in a folder that can be written to",
        ) from error
    return settings.output


def _form(settings: Settings) -> Format:
    form = settings.format or "cyclonedx"
    if form not in FORMATS:
        raise UsageError(
            f"`format` is {form!r}, which is a form of a plan and not of an SBOM",
            hint=f"write one of {', '.join(FORMATS)}",
        )
    return form


def sbom_of(settings: Settings, run_: Run, form: Format) -> str:
    """Return the SBOM of what the input `image` names: of an image in a registry the one that is attached to it, if there is one.

    Errors as by `bill_for`.
    """
    image = _in_registry(settings, run_)
    if image and image.digest:
        from flakeship.commands.sbom.attached import attached_sbom

        reference = Reference.parse(settings.image.removeprefix(TRANSPORT))
        if text := attached_sbom(reference, parse_digest(image.digest), form, run_):
            return text
    bill = bill_for(settings, run_, image)
    tell(bill.counts, len(bill.components), run_.emit)
    return written_as(bill, form)


def _in_registry(settings: Settings, run_: Run) -> Inspection | None:
    """The image, if it is one in a registry."""
    text = settings.image
    if not text or buildable_of(text, run_) or not is_in_registry(text, run_):
        return None
    return chosen_image(settings, run_)


def bill_for(settings: Settings, run_: Run, image: Inspection | None = None) -> Bill:
    """Return what an SBOM of the input `image` is made of; `image` is what was told of it already.

    UsageError where it names nothing that is there, BuildError where it is not built, NotAnImageError where no store path
    is in it.
    """
    text = settings.image
    if not text:
        raise UsageError(
            "`sbom` needs an image or a package, and none is named",
            hint="write `flakeship sbom .#app`, or a path or a reference in its place",
        )
    path, buildable = run_.runtime.cwd / text, buildable_of(text, run_)
    if buildable:
        holding = _of_outputs(buildable, settings, run_)
    elif package := package_at(path):
        holding = of_package((package,), run_)
    else:
        check_there(text, path)
        holding = of_inspection(image, settings, run_) if image else of_image(settings, run_)
    return bill_of(
        holding.paths,
        knowledge_of(
            holding.paths,
            [buildable] if buildable else [],
            run_,
            closure=holding.closure,
            passed=holding.passed,
        ),
        name=holding.name,
        version=holding.version,
        created=holding.created,
        maker=__version__,
        layers_unread=holding.layers_unread,
    )


def buildable_of(text: str, run_: Run) -> Buildable | None:
    """What Nix evaluates; None for an image or a path, which exist already."""
    folder = run_.runtime.cwd / text
    if "#" not in text and not _FLAKE.fullmatch(text) and not (folder / "flake.nix").is_file():
        return None
    from flakeship.commands.building.buildable import Buildable
    from flakeship.commands.subject import flake_installable

    return Buildable(run_.builder, flake_installable(text, run_, run_.emit))


def built_outputs(buildable: Buildable) -> tuple[str, ...]:
    """The store paths of an attribute, which are in the store already. BuildError where one is not."""
    paths = buildable.description().paths
    missing = next((path for path in paths if not Path(path).exists()), "")
    if missing or not paths:
        why = f"{missing} is not in the store" if missing else "only a build can tell its store path"
        raise BuildError(
            f"{buildable} is not built, so its contents are not known: {why}",
            hint=f"run `nix build {buildable.installable.spelled}`, which takes it from a cache if one has it, then this again",
        )
    return tuple(paths)


def _of_outputs(buildable: Buildable, settings: Settings, run_: Run) -> Holding:
    """What the outputs of an attribute hold. BuildError as by `built_outputs`."""
    paths = built_outputs(buildable)
    if package := package_at(Path(paths[0])):
        return of_package((package, *paths[1:]), run_)
    return of_image(settings, run_, path=paths[0])


def package_at(path: Path) -> str:
    """The store path that `path` leads to, if that is no image by itself; empty for anything else."""
    from flakeship import sources

    found = whole_store_path(path)
    return found if found and Path(found).exists() and not sources.is_image(Path(found)) else ""


def check_there(text: str, path: Path) -> None:
    """UsageError for what is written as a path, and leads nowhere."""
    if not text.startswith((".", "/")) or path.exists():
        return
    if hash_of(text):
        raise UsageError(
            f"{text} is not in the store of this machine",
            hint=f"build it, or get it from a cache: `nix copy --from CACHE {text}`",
        )
    raise UsageError(
        f"there is nothing at {path}", hint="check the path: a relative one begins at the working folder"
    )
