"""Step 2, build: Nix builds the attribute, unless what it would make is published already or a `source` is given."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flakeship import events
from flakeship.commands.nix_facts import facts_while_packing
from flakeship.commands.publish import image_output
from flakeship.commands.publish.look import Plan
from flakeship.commands.publish.parts import Obtained, Part
from flakeship.commands.publish.request import Request
from flakeship.commands.publish.reuse import existing_source
from flakeship.commands.publish.source_request import source_request
from flakeship.commands.publish.stamping import Stamp
from flakeship.commands.run import Run
from flakeship.image.annotations import DERIVATION, RECIPE_OF, SOURCE

if TYPE_CHECKING:
    from flakeship.sources.blobs import RegistryImage

_STORE: Final = "/nix/store/"


def build(request: Request, plan: Plan, run: Run) -> Iterator[list[Part]]:
    """Yield what to publish, as a list of parts.

    What is published already comes first, if a build would only make it again. Should a layer of it turn out to be
    gone, ask for the next: what Nix builds, or the `source` as it is. BuildError where the build fails.
    """
    if published := _existing_part(request, plan, run):
        yield [published]
    base = _base(request, plan, run)  # asked for before the build, which may take an hour
    obtained = _obtained(request, plan, run)
    opening = source_request(obtained, request.choice, run, base=base, previous=plan.existing.groups())
    open_source = partial(image_output.opened, obtained, opening, lambda: run.builder.nix)
    yield [Part(obtained, open_source, _stamp(obtained, request, plan, run))]


def _existing_part(request: Request, plan: Plan, run: Run) -> Part | None:
    buildable = request.subject.buildable
    if buildable is None or not request.reuse.may_skip_build:
        return None
    # docs/decisions.md#a-published-image-is-not-built-again
    source = existing_source(
        buildable.description,
        plan.existing,
        plan.store,
        recipe=plan.recipe,
        keeping_own_name=plan.keeping_own_name,
        emit=run.emit,
    )
    if source is None:
        return None
    if not plan.lint.looks_at(source.blobs, plan.existing.open):
        run.emit(events.Notice("lint is strict and can't read what is published, so it is built"))
        return None
    made_from = " and ".join(buildable.description().paths)
    run.emit(events.Notice(f"already published: made from {made_from}, so nothing is built"))
    from flakeship.nix.build import BuildOutput

    output = BuildOutput(source.derivation, buildable.description().outputs, "")
    obtained = Obtained(source.path, buildable, output, buildable.flake())
    return Part(obtained, source.opened, _stamp(obtained, request, plan, run))


def _obtained(request: Request, plan: Plan, run: Run) -> Obtained:
    source, buildable = request.subject.source, request.subject.buildable
    if source and source.place == "registry":
        return Obtained(Path(source.name), remote=run.registry_image(source.name, pushed_to=plan.pushed_to))
    if source:
        place = run.source_place(source)
        return Obtained(place.path, shown=place.shown, image=source.image)
    assert buildable, "it is the one or the other"
    with run.stage("build", f"building {buildable}"):
        run.emit(events.Notice(str(buildable.builder.sandbox)))
        output, flake = buildable.build(), buildable.flake()
    image_output.check_one_image(output, buildable.installable)
    if request.rebuild_to_compare:
        from flakeship.nix.reproduce import check_reproducible

        with (
            run.stage("rebuild", f"building {buildable} a second time, to compare"),
            buildable.builder.building(),
        ):
            check_reproducible(
                buildable.builder.configured,
                buildable.installable,
                output,
                emit=run.emit,
                described=buildable.described(),
            )
    return Obtained(Path(output.out_path), buildable, output, flake)


def _base(request: Request, plan: Plan, run: Run) -> RegistryImage | None:
    """The image that a package is put on; a `source` of a registry is an image already, and its base is not asked for."""
    name = request.choice.base_image
    source = request.subject.source
    if not name or (source and source.place == "registry"):
        return None
    return run.registry_image(name, pushed_to=plan.pushed_to)


def _stamp(obtained: Obtained, request: Request, plan: Plan, run: Run) -> Stamp:
    """Nix may be asked in the background for what labels lack, from now on until the image is finished."""
    described = obtained.buildable.description if obtained.buildable else None
    made_from = _made_from(obtained)
    return Stamp(
        naming=plan.naming,
        facts=plan.scope.enter_context(facts_while_packing(described, plan.naming.metadata, run.emit)),
        moment=request.created.moment(obtained.commit_time or request.naming.context.committed),
        change=request.change,
        origin={
            SOURCE: made_from,
            DERIVATION: obtained.output.drv_path if obtained.output else "",
            RECIPE_OF: plan.recipe if made_from else "",  # what is copied keeps its own, or has none
        },
    )


def _made_from(obtained: Obtained) -> str:
    """The store paths that were asked for, with a space between; empty for a `source` that lies elsewhere."""
    # docs/decisions.md#the-source-annotation-names-every-output
    if obtained.output:
        return " ".join(obtained.output.paths)
    return str(obtained.path) if str(obtained.path).startswith(_STORE) else ""
