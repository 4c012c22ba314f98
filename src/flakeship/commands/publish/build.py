"""Step 2, build: Nix builds the attribute, unless what it would make is published already or a `source` is given."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from flakeship import events, sources
from flakeship.commands.nix_facts import facts_before_packing, facts_while_packing
from flakeship.commands.publish import image_output
from flakeship.commands.publish.changed_tree import told_of_changes
from flakeship.commands.publish.debug_variant import debug_of_image
from flakeship.commands.publish.last_writer import warn_of_lost
from flakeship.commands.publish.look import Plan
from flakeship.commands.publish.parts import Obtained, Part
from flakeship.commands.publish.request import Request
from flakeship.commands.publish.reuse import existing_source
from flakeship.commands.publish.source_request import source_request
from flakeship.commands.publish.stamping import Stamp
from flakeship.commands.run import Run
from flakeship.errors import Error
from flakeship.image.annotations import DERIVATION, RECIPE_OF, SOURCE
from flakeship.image.model import SourceGoneError
from flakeship.sources.opened import Opened

if TYPE_CHECKING:
    from flakeship.commands.building.buildable import Buildable
    from flakeship.commands.building.by_platform import Member
    from flakeship.nix.build import BuildOutput
    from flakeship.sources.blobs import RegistryImage

OpenSource: TypeAlias = Callable[[], contextlib.AbstractContextManager[Opened]]

_STORE: Final = "/nix/store/"


def build(request: Request, plan: Plan, run: Run) -> Iterator[list[Part]]:
    """Yield what to publish, as a list of parts: one for each platform that is built, else one.

    What is published already comes first, if a build would only make it again. Should a layer of it turn out to be
    gone, ask for the next: what Nix builds, or the `source` as it is. BuildError where the build fails.
    """
    members = request.subject.members
    if members:
        from flakeship.commands.publish.member import check_members

        check_members(members, request.choice, plan.places)
    check_beside(request, run)
    # of a single one, what it replaces is looked at when its revision is known
    if len(members) > 1 and not request.by_digest:
        warn_of_lost(
            [member.platform for member in members], plan.naming.references, plan.existing.images(), run.emit
        )
    wanted: Sequence[Member | None] = members or (None,)
    published = {
        n: part for n, each in enumerate(wanted) if (part := _existing_part(each, request, plan, run))
    }
    if published:
        yield from _unless_gone(wanted, published, request, plan, run)
    yield from _unless_gone(wanted, {}, request, plan, run)
    if request.subject.buildables and run.builder.realise_left():
        yield _parts(wanted, {}, request, plan, run)


def _unless_gone(
    wanted: Sequence[Member | None], published: Mapping[int, Part], request: Request, plan: Plan, run: Run
) -> Iterator[list[Part]]:
    """The parts; none where something that lies in caches is needed now and can't be had."""
    try:
        parts = _parts(wanted, published, request, plan, run)
    except SourceGoneError as error:
        run.emit(events.Detail(str(error)))
        run.note_gone(error)
        return
    yield parts


def check_beside(request: Request, run: Run) -> None:
    """Look at what is to lie beside a package, which most runs have not; before anything is built. BuildError, UsageError."""
    if request.choice.contents or request.choice.debug_shell:
        from flakeship.commands.publish.contents import check_contents

        check_contents(request.choice, request.subject, builder=run.builder, cwd=run.runtime.cwd)


def _parts(
    wanted: Sequence[Member | None], published: Mapping[int, Part], request: Request, plan: Plan, run: Run
) -> list[Part]:
    """The parts in the order of `wanted`: those that are published, and the others, which are built all together."""
    missing = [each for number, each in enumerate(wanted) if number not in published]
    if not missing:
        return list(published.values())
    base = _base(request, plan, run)  # asked for before the build, which may take an hour
    members = [member for member in missing if member]
    obtained = _obtained_together(members, request, run) if members else [_obtained(request, plan, run)]
    built = (
        _built_part(each, member, base, request=request, plan=plan, run=run)
        for each, member in zip(obtained, missing, strict=True)
    )
    return [published[number] if number in published else next(built) for number in range(len(wanted))]


def _built_part(
    obtained: Obtained,
    member: Member | None,
    base: RegistryImage | None,
    *,
    request: Request,
    plan: Plan,
    run: Run,
) -> Part:
    previous = plan.existing.groups(member.platform if member else None)
    choice = request.choice
    if member:
        from flakeship.commands.publish.member import choice_for

        choice = choice_for(member, choice)
    obtained = replace(obtained, base=base) if base else obtained
    opening = source_request(obtained, choice, run, base=base, previous=previous)
    open_source: OpenSource = partial(image_output.opened, obtained, opening, lambda: run.builder.nix)
    if obtained.place and not run.builder.far:
        open_source = partial(_or_gone, open_source)
    return _part(obtained, open_source, member, request=request, plan=plan, run=run)


@contextlib.contextmanager
def _or_gone(open_source: OpenSource) -> Iterator[Opened]:
    """Open what lies in caches. An error is that of a result that has to be here, such as a script to be run, or will be said anew."""
    with contextlib.ExitStack() as scope:
        try:
            opened = scope.enter_context(open_source())
        except Error as error:
            raise SourceGoneError(error.message, is_told=True) from error
        yield opened


def _part(
    obtained: Obtained,
    open_source: OpenSource,
    member: Member | None,
    *,
    request: Request,
    plan: Plan,
    run: Run,
) -> Part:
    stamp = _stamp(obtained, request, plan, run)
    if member is None:
        return Part(obtained, open_source, stamp)
    from flakeship.commands.publish import member as of_member

    recipe = request.reuse.for_platform(member.platform).recipe(plan.packing.compression)
    return Part(
        obtained,
        partial(of_member.opened, member, open_source),
        replace(
            stamp,
            change=partial(of_member.changed, member, change=stamp.change),
            origin={**stamp.origin, RECIPE_OF: recipe},
        ),
        member.platform,
    )


def _existing_part(member: Member | None, request: Request, plan: Plan, run: Run) -> Part | None:
    buildable = member.buildable if member else request.subject.buildable
    reuse = request.reuse.for_platform(member.platform) if member else request.reuse
    if buildable is None or not reuse.may_skip_build:
        return None
    # docs/decisions.md#a-published-image-is-not-built-again
    source = existing_source(
        buildable.description,
        plan.existing,
        plan.store,
        recipe=reuse.recipe(plan.packing.compression),
        keeping_own_name=plan.keeping_own_name,
        platform=member.platform if member else None,
        emit=run.emit,
    )
    if source is None:
        return None
    if not plan.lint.looks_at(source.blobs, plan.existing.open):
        run.emit(
            events.Notice("`lint` is `strict` and a published image can't be checked, so the image is built")
        )
        return None
    made_from = " and ".join(buildable.description().paths)
    which = f"for {member.platform} the image" if member else "the image"
    run.emit(events.Notice(f"{which} made from {made_from} is published already, so nothing is built"))
    from flakeship.nix.build import BuildOutput

    output = BuildOutput(source.derivation, buildable.description().outputs, "")
    obtained = Obtained(source.path, buildable, output, buildable.flake(), published=True)
    return _part(obtained, source.opened, member, request=request, plan=plan, run=run)


def _obtained(request: Request, plan: Plan, run: Run) -> Obtained:
    source, buildable = request.subject.source, request.subject.buildable
    if source and source.place == "registry":
        _check_debug(source.name, request)
        return Obtained(Path(source.name), remote=run.registry_image(source.name, pushed_to=plan.pushed_to))
    if source:
        place = run.source_place(source)
        if request.choice.debug_shell and sources.is_image(place.path):
            _check_debug(place.shown or str(place.path), request)
        return Obtained(place.path, shown=place.shown, image=source.image)
    assert buildable, "it is the one or the other"
    with run.stage("build", f"building {buildable}"):
        run.emit(events.Notice(buildable.builder.ready()))
        output, flake = buildable.obtain(), buildable.flake()
    _check(output, buildable, request, run)
    return Obtained(Path(output.out_path), buildable, output, flake)


def _obtained_together(members: Sequence[Member], request: Request, run: Run) -> list[Obtained]:
    buildables = [member.buildable for member in members]
    builder = buildables[0].builder
    with run.stage("build", f"building {', '.join(map(str, buildables))}"):
        run.emit(events.Notice(builder.ready()))
        outputs = builder.obtain_together(buildables)
        flakes = [buildable.flake() for buildable in buildables]
    for output, buildable in zip(outputs, buildables, strict=True):
        _check(output, buildable, request, run)
    return [
        Obtained(Path(output.out_path), member.buildable, output, flake, system=member.system)
        for member, output, flake in zip(members, outputs, flakes, strict=True)
    ]


def _check(output: BuildOutput, buildable: Buildable, request: Request, run: Run) -> None:
    """NotAnImageError where several outputs are images, UsageError where `debug` would change one.

    With `rebuild: compare`, RejectedError where a second build differs.
    """
    place = buildable.builder.place_of(*output.paths)
    image_output.check_one_image(output, buildable.installable, place=place)
    if request.choice.debug_shell and image_output.is_one(output.out_path, place):
        _check_debug(str(buildable), request)
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


def _check_debug(image: str, request: Request) -> None:
    if request.choice.debug_shell:
        raise debug_of_image(image)


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
    asked = facts_before_packing if plan.writes_into_sources else facts_while_packing
    made_from = _made_from(obtained)
    return Stamp(
        naming=told_of_changes(plan.naming, obtained, run.runtime, run.emit),
        facts=plan.scope.enter_context(asked(described, plan.naming.metadata, run.emit)),
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
