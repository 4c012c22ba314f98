"""The command `plan`: the check by which `publish` spares a build, made for every image and platform before any job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial

from flakeship import events
from flakeship.commands.plan.formats import FORMATS, Planned
from flakeship.commands.plan.systems import host_platform, states_system, system_of
from flakeship.commands.platforms import platforms_of
from flakeship.commands.publish.attributes import Attribute, attributes_of, check_default
from flakeship.commands.publish.leg import platform_name
from flakeship.commands.publish.look import Plan, look
from flakeship.commands.publish.request import Request
from flakeship.commands.publish.reuse import ExistingImages, existing_source
from flakeship.commands.run import Run, open_run
from flakeship.commands.runtime import Runtime
from flakeship.commands.subject import subject_of
from flakeship.errors import UsageError
from flakeship.image.model import Platform
from flakeship.nix.derivation import Derivation, describe
from flakeship.nix.installable import Installable
from flakeship.registry.reference import Reference
from flakeship.settings.declaration import Settings


def run(settings: Settings, runtime: Runtime) -> str:
    """Return the plan in the form that is asked for. Nothing is built, and nothing is written to a registry."""
    if settings.source:
        raise UsageError(
            "plan tells what is to be built, and a `source` is built already",
            hint="name attributes by `flake`, or publish the source: its layers are sent once",
        )
    with open_run(settings, runtime) as run_:
        attributes = attributes_of(settings)
        if len(attributes) > 1:
            check_default(attributes, run_.event)
        platforms = _platforms(settings)
        planned = tuple(each for attribute in attributes for each in _planned(attribute, platforms, run_))
    return FORMATS[settings.format](planned)


def _platforms(settings: Settings) -> tuple[Platform, ...]:
    """Those that are wanted; by default that of containers on this machine."""
    found = platforms_of(settings.platforms) or (host_platform(),)
    for platform in found:
        if not system_of(platform):
            raise UsageError(
                f"platforms: Nix has no system for {platform}", hint="write linux/amd64 or linux/arm64"
            )
    return found


def _planned(attribute: Attribute, platforms: tuple[Platform, ...], run_: Run) -> Iterator[Planned]:
    # A job for one platform gets no `platforms`, which would mark what it makes.
    alone = replace(attribute.settings, platforms=(), push_by_digest=False, debug=False)
    request = Request.of(replace(alone, dry_run=True), run_)
    subject = subject_of(alone, run_)
    assert subject.buildable, "a source was refused"
    installable = subject.buildable.installable
    with look(request, run_) as plan, run_.stage("evaluate", f"evaluating {installable}"):
        for platform in platforms:
            described = cache(partial(_described, installable, system_of(platform), run_))
            described()  # an attribute that a system lacks is told now, and not by a job
            yield Planned(
                attribute.name,
                str(installable),
                platform_name(platform),
                system_of(platform),
                plan.naming.references,
                _is_published(plan, request, described, run_.emit),
                alone,
                several=len(platforms) > 1,
            )


def _described(installable: Installable, system: str, run_: Run) -> Derivation:
    """Evaluate for a system: what Nix takes for its own decides where it looks for an attribute."""
    own = states_system(installable.names)
    if own and own != system:
        raise UsageError(
            f"{installable} is for {own}, and {system} is asked for",
            hint="leave the system out of the attribute: `.#image` is looked for under each",
        )
    return describe(run_.builder.nix.with_options([("system", system)]), installable)


def _is_published(
    plan: Plan, request: Request, describe_: Callable[[], Derivation], emit: events.Emit
) -> bool:
    """Return True if every tag that would be written names an image of this very output already.

    `publish` spares the build where any of them does, and then sets the others.
    """
    if not request.reuse.may_skip_build or not plan.naming.references or plan.keeping_own_name:
        return False
    # docs/decisions.md#a-plan-asks-every-tag
    return all(
        existing_source(
            describe_,
            _at(reference, plan.existing),
            plan.store,
            recipe=plan.recipe,
            keeping_own_name=(),
            emit=emit,
        )
        for reference in _whole(plan.naming.references)
    )


def _whole(references: tuple[str, ...]) -> list[str]:
    """References as images are known by: with the registry, and a tag."""
    parsed = [Reference.parse(text) for text in references]
    return [f"{each.name}:{each.tag or 'latest'}" for each in parsed]


def _at(reference: str, existing: ExistingImages) -> ExistingImages:
    """Only the images behind one tag, of the repository that has it; of others all."""
    name = reference.rpartition(":")[0]
    by_place = tuple(
        tuple(image for image in images if image.reference == reference)
        if images is not None and any(image.where == name for image in images)
        else images
        for images in existing.by_place
    )
    return replace(existing, by_place=by_place)
