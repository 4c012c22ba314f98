"""The command `plan`: the check by which `publish` spares a build, made for every image and platform before any job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from flakeship import events
from flakeship.commands.building.by_platform import flake_lines
from flakeship.commands.plan.evaluation import evaluate
from flakeship.commands.plan.formats import FORMATS, Planned
from flakeship.commands.platforms import buildable_platforms, host_platform
from flakeship.commands.publish.attributes import Attribute, attributes_of, check_default
from flakeship.commands.publish.debug_variant import DEBUG
from flakeship.commands.publish.look import Plan, look, registries_asked_for
from flakeship.commands.publish.member import check_members
from flakeship.commands.publish.request import Request
from flakeship.commands.publish.reuse import ExistingImages, existing_source
from flakeship.commands.run import Run, open_run
from flakeship.commands.runtime import Runtime
from flakeship.errors import UsageError
from flakeship.image.model import Platform
from flakeship.registry.reference import Reference, with_tag_suffix
from flakeship.settings.declaration import Settings
from flakeship.sources.closure.architecture import system_of

if TYPE_CHECKING:
    from flakeship.commands.building.buildable import Buildable


def run(settings: Settings, runtime: Runtime) -> str:
    """Return the plan in the form that is asked for. Nothing is built, and nothing is written to a registry.

    UnreachableError where a registry can't be asked: what is published is not known then.
    """
    if settings.source:
        raise UsageError(
            "plan tells what is to be built, and a `source` is built already",
            hint="name attributes by `flake`, or publish the source: its layers are sent once",
        )
    form = settings.format or "json"
    if form not in FORMATS:
        raise UsageError(
            f"`format` is {form!r}, which is a form of an SBOM and not of a plan",
            hint=f"write one of {', '.join(FORMATS)}",
        )
    with open_run(settings, runtime) as run_:
        attributes = attributes_of(settings)
        if len(attributes) > 1:
            check_default(attributes, run_.event)
        evaluate([attribute.settings for attribute in attributes], run_)
        asked = _beside_each_other([_Asked.of(attribute, run_) for attribute in attributes], run_)
        planned = tuple(each for image in asked for each in _planned(image, run_))
    # GitLab tells a job its image, and the jobs of the child pipeline run the same program
    return FORMATS[form](planned, runtime.environ.get("CI_JOB_IMAGE", ""))


@dataclass(frozen=True, slots=True)
class _Job:
    """One platform of an image, what is built for it, and the line of `flake` for its job."""

    platform: Platform
    buildable: Buildable
    flake: str


@dataclass(frozen=True, slots=True)
class _Asked:
    """One image, its checked inputs, and what is built for it. `settings` are those of a job that builds one platform."""

    name: str
    settings: Settings
    request: Request
    jobs: tuple[_Job, ...]

    @classmethod
    def of(cls, attribute: Attribute, run_: Run) -> _Asked:
        """UsageError for inputs of which no jobs can be made; BuildError where the flake lacks an attribute."""
        settings = attribute.settings
        request = Request.of(replace(settings, dry_run=True, push_by_digest=False), run_)
        check_members(request.subject.members, request.choice, ())
        jobs = _jobs(settings, request)
        if settings.debug and len(jobs) > 1:
            raise UsageError(
                f"debug is given, and {attribute.name} has a job for each platform: `merge` joins the platforms of one image",
                hint="publish the variant in a job of its own, with the shell among `contents` and other tags",
            )
        alone = replace(settings, push_by_digest=False)
        return cls(attribute.name, alone, request, jobs)


def _jobs(settings: Settings, request: Request) -> tuple[_Job, ...]:
    lines = flake_lines(settings.flake or (".",))

    def line_for(platform: Platform) -> str:
        own = lines.own.get(platform)
        return f"{platform}={own}" if own else lines.everywhere or "."

    if members := request.subject.members:
        return tuple(_Job(each.platform, each.buildable, line_for(each.platform)) for each in members)
    buildable = request.subject.buildable
    assert buildable, "a source was refused"
    wanted = buildable_platforms(settings.platforms, name="platforms")
    system = buildable.description().system
    if len(wanted) > 1 or (wanted and system not in {"", system_of(wanted[0])}):
        raise UsageError(
            f"{buildable} is one attribute whatever the platform, and a job for {' and '.join(map(str, wanted))} is asked for",
            hint="leave the system out of the attribute, `.#image` is looked for under each; or write a line for each "
            f"platform, such as `flake: {wanted[-1]}=.#image-{wanted[-1].architecture}`",
        )
    platforms = wanted or (host_platform(),)
    return (_Job(platforms[0], buildable, line_for(platforms[0])),)


def _beside_each_other(asked: Sequence[_Asked], run_: Run) -> Sequence[_Asked]:
    """As in `publish`, a password without a registry is judged by all images of the run."""
    if len(asked) < 2:
        return asked
    everywhere = frozenset[str]().union(*(registries_asked_for(each.request, run_) for each in asked))
    return [
        replace(
            each, request=replace(each.request, destinations=each.request.destinations.beside(everywhere))
        )
        for each in asked
    ]


def _planned(asked: _Asked, run_: Run) -> Iterator[Planned]:
    with look(asked.request, run_) as plan:
        tags = plan.naming.references
        if asked.settings.debug:
            tags = (*tags, *(with_tag_suffix(tag, DEBUG) for tag in tags))
        for job in asked.jobs:
            yield Planned(
                image=asked.name,
                flake=job.flake,
                platform=job.platform,
                system=job.buildable.description().system,
                tags=tags,
                published=_is_published(job, plan, asked.request, run_.emit),
                settings=asked.settings,
                several=len(asked.jobs) > 1,
            )


def _is_published(job: _Job, plan: Plan, request: Request, emit: events.Emit) -> bool:
    """Return True if every tag that would be written names an image of this very output already.

    `publish` spares the build where any of them does, and then sets the others. What an earlier run published for all
    platforms at once counts like what a job for one platform pushed.
    """
    own = request.reuse.for_platform(job.platform)
    if not own.may_skip_build or not plan.naming.references or plan.keeping_own_name:
        return False
    alone = replace(
        own, shaping={key: value for key, value in own.shaping.items() if key != "platforms"}, platform=""
    )
    recipes = [each.recipe(plan.packing.compression) for each in (own, alone)]
    # docs/decisions.md#a-plan-asks-every-tag
    return all(
        any(
            existing_source(
                job.buildable.description,
                _at(reference, plan.existing),
                plan.store,
                recipe=recipe,
                keeping_own_name=(),
                platform=job.platform,
                emit=emit,
            )
            for recipe in recipes
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
