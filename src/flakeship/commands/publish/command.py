"""The command `publish`: every attribute that is asked for, its variant with a shell, and what later steps are told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from flakeship import events
from flakeship.ci import platforms
from flakeship.commands.publish import outputs
from flakeship.commands.publish.asked import Asked, Records, all_asked
from flakeship.commands.publish.attributes import names_its_image
from flakeship.commands.publish.compared import Compared
from flakeship.commands.publish.comparing import changes_of, comment_if_asked
from flakeship.commands.publish.debug_variant import DEBUG, check_has_variant, reusing, warn_of_ignored_inputs
from flakeship.commands.publish.handover import handover
from flakeship.commands.publish.job_page import drawn_and_summarised, tell_of_caches
from flakeship.commands.publish.pipeline import publish
from flakeship.commands.publish.result import Made, Result
from flakeship.commands.publish.times import times_of
from flakeship.commands.publish.without_effect import warn_of_no_effect
from flakeship.commands.publish.written_files import checked_folder, write_files
from flakeship.commands.run import Run, open_run
from flakeship.commands.runtime import Runtime
from flakeship.destinations.protocol import Published
from flakeship.errors import Error
from flakeship.report.run_record import ToldOnce
from flakeship.settings.declaration import Settings

if TYPE_CHECKING:
    from flakeship.commands.publish.leg import LegRecord


def run(settings: Settings, runtime: Runtime) -> str:
    """Publish, and return the references to print, one for each destination that each image is at."""
    records = Records(ToldOnce(runtime.emit))
    folder = checked_folder(settings, runtime, records)
    warn_of_no_effect(settings, records)
    made = Made()
    with open_run(settings, replace(runtime, emit=records)) as run_:
        everything = all_asked(settings, run_, records)
        for asked in everything:
            records.turn_to(asked.record)
            with _telling_what_is_there(made.published, runtime.emit):
                is_last = asked is everything[-1]
                _make(asked, made, settings, folder, run_, alone=len(everything) == 1, is_last=is_last)
            result = made.results[asked.name]  # of a variant no changes are told
            changes = changes_of(_compared(result), run_, in_comment=settings.pr_comment)
            made.results[asked.name] = result = replace(result, changes=changes)
            made.pictured += drawn_and_summarised(result, asked.record, settings, run_)
        comment_if_asked({name: _compared(each) for name, each in made.results.items()}, settings, run_)
        expected = run_.event.from_outside
        in_ci = run_.event.platform != "local" and not run_.event.image_variable  # which was warned of
    tell_of_caches(records.caches, runtime)
    # docs/decisions.md#a-cancelled-run-hands-nothing-over
    write_files(made, settings, folder, runtime)
    platforms.hand_over(handover(made.results, is_named=names_its_image(settings)), runtime.environ)
    if why := outputs.not_pushed(made.published) or _nowhere(settings, made.published, in_ci=in_ci):
        runtime.emit(events.NotPushed(why, expected))
    return "\n".join(outputs.references(made.published))


def _compared(made: Result) -> Compared:
    return Compared(
        made.packed.images, made.published, made.existing, is_leg=made.leg is not None, changes=made.changes
    )


def _make(
    asked: Asked,
    made: Made,
    settings: Settings,
    folder: Path,
    run_: Run,
    *,
    alone: bool,
    is_last: bool,
) -> None:
    """Publish an image and its variant, and note them; what was attached, and can't be there, is written to `folder`."""
    for each in _publish(asked, run_, is_last=is_last):
        is_variant = asked.name in made.results
        image = "" if alone else asked.name + DEBUG if is_variant else asked.name
        leg = _leg(each, image, run_) if settings.push_by_digest else None
        result = replace(each, times=times_of(asked.record.stages, run_.runtime), leg=leg)
        if each.attached and each.attached.artifacts:
            from flakeship.commands.publish.attaching.documents import write_sboms

            within = [image] if image else [DEBUG.strip("-")] if is_variant else []
            write_sboms(each, folder, within, always=bool(settings.metadata_file), emit=run_.emit)
        made.published += result.published
        made.results.setdefault(asked.name, result)
        made.legs += [(asked.name, result)] if leg else []


def _leg(result: Result, image: str, run_: Run) -> LegRecord:
    from flakeship.commands.publish.leg import leg_of

    provenance = None
    if result.attached and result.attached.artifacts:
        from flakeship.commands.publish.attaching.provenance import predicate_in

        provenance = predicate_in(result.attached.artifacts)
    return leg_of(
        result.packed,
        result.published,
        result.index_annotations,
        flake=result.obtained.flake,
        event=run_.event,
        image=image,
        provenance=provenance,
    )


@contextlib.contextmanager
def _telling_what_is_there(published: Sequence[Published], emit: events.Emit) -> Iterator[None]:
    """Where an attribute fails, the images of those before it are where they were sent, and the outputs don't say so."""
    try:
        yield
    except Error:
        if there := outputs.references(published):
            emit(
                events.Warned(
                    f"these images were published before the error: {', '.join(there)}",
                    hint="keep them or delete them: flakeship leaves them as they are",
                )
            )
        raise


def _publish(asked: Asked, run_: Run, *, is_last: bool) -> Iterator[Result]:
    """Yield the image when it is published, then its variant."""
    made = publish(asked.image, run_, is_last=is_last and asked.debug is None)
    yield made
    if asked.debug is not None:
        check_has_variant(made)
    warn_of_ignored_inputs(asked.packages_only, made, run_.emit)
    if asked.debug is not None:
        variant = publish(reusing(asked.debug, made), run_, is_last=is_last)
        unsent = "" if all(place.sent for place in variant.published) else " (not sent)"
        run_.emit(events.Notice(f"the image with a shell{unsent}: {', '.join(_places(variant))}"))
        yield variant


def _places(made: Result) -> Iterator[str]:
    """The names of an image where it has some, and where it is else."""
    for place in made.published:
        yield from place.tags or (place.reference,)
    yield made.packed.descriptor.digest


def _nowhere(settings: Settings, published: Sequence[Published], *, in_ci: bool) -> str:
    """Say that an image has no registry to go to, and a push was demanded or a job of CI names nothing; else empty."""
    if any(item.in_registry for item in published):
        return ""
    named = settings.tags or settings.images or settings.to or settings.load
    if in_ci and not named and settings.push != "false" and not settings.dry_run:
        return "NOT PUSHED: neither `images` nor `tags` nor `to` says where the image goes"
    if settings.push != "true":
        return ""
    return "NOT PUSHED: `push` is true, and neither `tags` nor `images` nor `to` names a registry"
