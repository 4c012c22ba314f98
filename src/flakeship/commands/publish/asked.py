"""What is asked for, checked before anything is built: one image, or several attributes that stand beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flakeship import events
from flakeship.ci import platforms
from flakeship.commands.publish.attributes import Attribute, attributes_of, check_default
from flakeship.commands.publish.build import check_beside
from flakeship.commands.publish.debug_variant import DEBUG, debug_settings
from flakeship.commands.publish.look import look, registries_asked_for
from flakeship.commands.publish.request import Request
from flakeship.commands.run import Run
from flakeship.report.run_record import RunRecord
from flakeship.settings.declaration import Settings


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
class Asked:
    """One attribute, checked: its image and, with `debug`, the variant of it; `name` is the attribute's."""

    name: str
    image: Request
    debug: Request | None
    packages_only: tuple[str, ...]
    record: RunRecord


def all_asked(settings: Settings, run_: Run, records: Records) -> Sequence[Asked]:
    """The checked inputs for each attribute. UsageError where they, or their destinations, can't stand beside each other."""
    attributes = attributes_of(settings)
    if len(attributes) > 1:
        check_default(attributes, run_.event)
        platforms.check_names([attribute.name for attribute in attributes], run_.runtime.environ)
    all_asked = _beside_each_other([_asked(attribute, run_, records) for attribute in attributes], run_)
    _check_destinations(all_asked[1:], run_, records)
    return all_asked


def _asked(attribute: Attribute, run_: Run, records: Records) -> Asked:
    """UsageError for what is malformed, before anything is built."""
    settings, tag = attribute.settings, attribute.tag
    _ = run_.event  # what is noticed in finding it concerns every image
    record = records.new()
    records.turn_to(record)
    debug = debug_settings(settings) if settings.debug else None
    return Asked(
        attribute.name,
        Request.of(settings, run_, layout_tag=tag),
        Request.of(debug, run_, variant=DEBUG, layout_tag=tag) if debug else None,
        tuple(settings.given("packages-only")),
        record,
    )


def _check_destinations(later: Sequence[Asked], run_: Run, records: Records) -> None:
    """Ask the destinations of the attributes behind the first before anything is built, as those of the first are asked."""
    records.turn_to(records.new())
    for asked in later:
        with look(asked.image, run_):
            check_beside(asked.image, run_)


def _beside_each_other(asked: Sequence[Asked], run_: Run) -> Sequence[Asked]:
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
