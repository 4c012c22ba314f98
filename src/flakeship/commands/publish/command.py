"""The command `publish`: every attribute that is asked for, its variant with a shell, and what later steps are told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flakeship import events
from flakeship.ci import platforms
from flakeship.commands.publish import outputs
from flakeship.commands.publish.attributes import Attribute, attributes_of, check_default
from flakeship.commands.publish.build import check_beside
from flakeship.commands.publish.compared import Compared
from flakeship.commands.publish.comparing import changes_of, comment_if_asked
from flakeship.commands.publish.debug_variant import (
    DEBUG,
    check_has_variant,
    debug_settings,
    reusing,
    warn_of_ignored_inputs,
)
from flakeship.commands.publish.finish import Result
from flakeship.commands.publish.handover import handover, metadata
from flakeship.commands.publish.look import look, registries_asked_for
from flakeship.commands.publish.metadata_document import metadata as of_one_image
from flakeship.commands.publish.metadata_file import (
    check_metadata,
    folder_beside,
    remove_link,
    remove_metadata,
    write_metadata,
)
from flakeship.commands.publish.pages import pages_of
from flakeship.commands.publish.pipeline import publish
from flakeship.commands.publish.request import Request
from flakeship.commands.publish.times import times_of
from flakeship.commands.publish.without_effect import warn_of_no_effect
from flakeship.commands.run import Run, open_run
from flakeship.commands.runtime import Runtime
from flakeship.destinations.protocol import Published
from flakeship.errors import Error, ResourceError
from flakeship.outside.mounted import in_container
from flakeship.report.markdown import summary_markdown
from flakeship.report.markup import escaped
from flakeship.report.run_record import RunRecord, ToldOnce
from flakeship.report.summary import PackageRow, summary_text
from flakeship.settings.declaration import Settings

if TYPE_CHECKING:
    from flakeship.commands.publish.leg import LegRecord
    from flakeship.report.picture.model import Contents


@dataclass(slots=True)
class _Made:
    """What a run has made so far. `results` are by the names of attributes, `legs` likewise; `published` counts variants too."""

    results: dict[str, Result] = field(default_factory=dict)
    legs: list[tuple[str, Result]] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    pictured: list[Contents] = field(default_factory=list)


def run(settings: Settings, runtime: Runtime) -> str:
    """Publish, and return the references to print, one for each destination that each image is at."""
    records = Records(ToldOnce(runtime.emit))
    folder = _checked_folder(settings, runtime, records)
    warn_of_no_effect(settings, records)
    made = _Made()
    with open_run(settings, replace(runtime, emit=records)) as run_:
        all_asked = _all_asked(settings, run_, records)
        for asked in all_asked:
            records.turn_to(asked.record)
            with _telling_what_is_there(made.published, runtime.emit):
                is_last = asked is all_asked[-1]
                _make(asked, made, settings, folder, run_, alone=len(all_asked) == 1, is_last=is_last)
            result = made.results[asked.name]  # of a variant no changes are told
            changes = changes_of(_compared(result), run_, in_comment=settings.pr_comment)
            made.results[asked.name] = result = replace(result, changes=changes)
            made.pictured += _drawn_and_summarised(result, asked.record, settings, run_)
        comment_if_asked({name: _compared(each) for name, each in made.results.items()}, settings, run_)
        expected = run_.event.from_outside
        in_ci = run_.event.platform != "local" and not run_.event.image_variable  # which was warned of
    _tell_of_caches(records.caches, runtime)
    # docs/decisions.md#a-cancelled-run-hands-nothing-over
    _write_files(made, settings, folder, runtime)
    platforms.hand_over(handover(made.results), runtime.environ)
    if why := outputs.not_pushed(made.published) or _nowhere(settings, made.published, in_ci=in_ci):
        runtime.emit(events.NotPushed(why, expected))
    return "\n".join(outputs.references(made.published))


def _compared(made: Result) -> Compared:
    return Compared(
        made.packed.images, made.published, made.existing, is_leg=made.leg is not None, changes=made.changes
    )


def _all_asked(settings: Settings, run_: Run, records: Records) -> Sequence[_Asked]:
    """The checked inputs for each attribute. UsageError where they, or their destinations, can't stand beside each other."""
    attributes = attributes_of(settings)
    if len(attributes) > 1:
        check_default(attributes, run_.event)
        platforms.check_names([attribute.name for attribute in attributes], run_.runtime.environ)
    all_asked = _beside_each_other([_asked(attribute, run_, records) for attribute in attributes], run_)
    _check_destinations(all_asked[1:], run_, records)
    return all_asked


def _make(
    asked: _Asked,
    made: _Made,
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
            _write_sboms(each, settings, folder, image, is_variant=is_variant, run_=run_)
        made.published += result.published
        made.results.setdefault(asked.name, result)
        made.legs += [(asked.name, result)] if leg else []


def _write_files(made: _Made, settings: Settings, folder: Path, runtime: Runtime) -> None:
    if settings.metadata_file:
        write_metadata(runtime.cwd / settings.metadata_file, metadata(made.results))
        _write_pictures(runtime.cwd / settings.metadata_file, made.pictured, runtime.emit)
    if settings.provenance:
        _write_provenance(made.results, folder, runtime.emit)
    if settings.push_by_digest:
        _write_legs(made.legs, folder, runtime.emit)


def _drawn_and_summarised(
    result: Result, record: RunRecord, settings: Settings, run_: Run
) -> tuple[Contents, ...]:
    """Write the summary of one image, and return what its picture shows: nothing without a metadata file to lay it beside."""
    drawn: tuple[Contents, ...] = ()
    if settings.metadata_file:
        from flakeship.commands.publish.drawing import contents_of_result

        drawn = contents_of_result(result, run_)
    _summarise(result, record, settings, run_, drawn)
    return drawn


def _write_pictures(metadata_file: Path, pictured: Sequence[Contents], emit: events.Emit) -> None:
    from flakeship.commands.publish.drawing import write_pictures

    write_pictures(metadata_file, pictured, emit)


def _tell_of_caches(line: str, runtime: Runtime) -> None:
    """Put what came from where on the page of the job, where it was not known before the caches were closed."""
    if line:
        with contextlib.suppress(ResourceError):  # the log has it
            platforms.summarise(f"\n{escaped(line)}\n", runtime.environ)


def _checked_folder(settings: Settings, runtime: Runtime, emit: events.Emit) -> Path:
    """The folder for the metadata file and the files of legs. UsageError where one could not be written there."""
    folder = folder_beside(settings.metadata_file, runtime.cwd)
    files = [runtime.cwd / settings.metadata_file] if settings.metadata_file else []
    if settings.provenance:
        from flakeship.commands.publish.attaching.provenance_file import provenance_files

        stated = [folder / name for name in provenance_files(each.name for each in attributes_of(settings))]
        for each in stated:
            remove_link(each)
        files += stated
    for each in files:
        check_metadata(each)
        remove_metadata(each)
    if settings.push_by_digest:
        check_metadata(folder / "flakeship-leg.json")
        files.append(folder)
    elif settings.attaches and settings.sbom and (settings.to or settings.load):
        check_metadata(folder / "flakeship.cdx.json")
    if files and in_container(runtime.environ):
        from flakeship.commands.publish.volumes import warn_of_no_volume

        warn_of_no_volume(files, runtime.environ, emit)
    return folder


def _write_sboms(
    result: Result, settings: Settings, folder: Path, image: str, *, is_variant: bool, run_: Run
) -> None:
    from flakeship.commands.publish.attaching.documents import write_sboms

    within = [image] if image else [DEBUG.strip("-")] if is_variant else []
    write_sboms(result, folder, within, always=bool(settings.metadata_file), emit=run_.emit)


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


def _write_provenance(made: Mapping[str, Result], folder: Path, emit: events.Emit) -> None:
    """Write the file of each image that was sent anywhere. ResourceError where one can't be written."""
    from flakeship.commands.publish.attaching.provenance_file import write_provenance

    sent = {name: outputs.references(each.published) and each.attached for name, each in made.items()}
    write_provenance({name: each or None for name, each in sent.items()}, folder, emit)


def _write_legs(legs: Sequence[tuple[str, Result]], folder: Path, emit: events.Emit) -> None:
    """Write the file of each image and of each variant. ResourceError where one can't be written."""
    from flakeship.commands.publish.leg_files import file_names

    for name, (_, each) in zip(file_names(legs), legs, strict=True):
        write_metadata(folder / name, of_one_image(each))
        emit(events.Notice(f"no tag was set: `flakeship merge` does that, and reads {folder / name}"))


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


class Records:
    """Takes the events of a run, and keeps a record for each image.

    What is emitted before the first image, such as how the event was found, stands in every record.
    """

    def __init__(self, onward: events.Emit) -> None:
        self._onward = onward
        self._common = self._current = RunRecord(onward)
        self.caches = ""
        """What came from where, once the caches of the run are closed; empty if it has none."""

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.CachesTold):
            self.caches = event.text
        self._current(event)

    def new(self) -> RunRecord:
        """A record to turn to."""
        common = self._common
        return RunRecord(self._onward, [*common.stages], [*common.notices], [*common.warnings])

    def turn_to(self, record: RunRecord) -> None:
        """Write the events that follow to `record`."""
        self._current = record


@dataclass(frozen=True, slots=True)
class _Asked:
    """One attribute, checked: its image and, with `debug`, the variant of it; `name` is the attribute's."""

    name: str
    image: Request
    debug: Request | None
    packages_only: tuple[str, ...]
    record: RunRecord


def _asked(attribute: Attribute, run_: Run, records: Records) -> _Asked:
    """UsageError for what is malformed, before anything is built."""
    settings, tag = attribute.settings, attribute.tag
    _ = run_.event  # what is noticed in finding it concerns every image
    record = records.new()
    records.turn_to(record)
    debug = debug_settings(settings) if settings.debug else None
    return _Asked(
        attribute.name,
        Request.of(settings, run_, layout_tag=tag),
        Request.of(debug, run_, variant=DEBUG, layout_tag=tag) if debug else None,
        tuple(settings.given("packages-only")),
        record,
    )


def _check_destinations(later: Sequence[_Asked], run_: Run, records: Records) -> None:
    """Ask the destinations of the attributes behind the first before anything is built, as those of the first are asked."""
    records.turn_to(records.new())
    for asked in later:
        with look(asked.image, run_):
            check_beside(asked.image, run_)


def _beside_each_other(asked: Sequence[_Asked], run_: Run) -> Sequence[_Asked]:
    """Let each image know where the others go: a password without a registry is judged by the run, not by an image."""
    if len(asked) < 2:
        return asked
    everywhere = frozenset[str]().union(*(registries_asked_for(each.image, run_) for each in asked))

    def beside(request: Request) -> Request:
        return replace(request, destinations=request.destinations.beside(everywhere))

    return [
        replace(each, image=beside(each.image), debug=beside(each.debug) if each.debug else None)
        for each in asked
    ]


def _publish(asked: _Asked, run_: Run, *, is_last: bool) -> Iterator[Result]:
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


def _summarise(
    result: Result, record: RunRecord, settings: Settings, run_: Run, drawn: Sequence[Contents]
) -> None:
    """Put the summary on the page of the job and into the log, with the packages of the pictures, if there are any."""
    environ = run_.runtime.environ
    platform = platforms.current_platform(environ)
    summary = outputs.summary(
        result.packed,
        result.published,
        expected=run_.event.from_outside,
        before=result.before,
        zstd=result.zstd,
        pages=pages_of(result, platform, run_.event),
        packages=_packages(drawn),
        changes=result.changes.lines(all_in="the metadata file" if settings.metadata_file else "")
        if result.changes
        else (),
        verify=result.attached.verify if result.attached else "",
    )
    try:
        platforms.summarise(summary_markdown(summary, record), environ)
    except ResourceError as error:  # the outputs count for more
        run_.emit(events.Warned(error.message, error.hint))
    run_.emit(events.Summarised(summary_text(summary)))


def _packages(drawn: Sequence[Contents]) -> Sequence[PackageRow]:
    if not drawn:
        return ()
    from flakeship.commands.publish.drawing import largest_packages

    return largest_packages(drawn)
