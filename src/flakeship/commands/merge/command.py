"""The command `merge`: everything is compared before the first request, and looked at before the first tag."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from flakeship import events
from flakeship.commands.merge.agreement import check_alike, check_platforms, check_withheld
from flakeship.commands.merge.images import check_labels, family_of, images_of, in_order
from flakeship.commands.merge.legs import Leg, read_legs
from flakeship.commands.merge.names import Names, annotations_of, names_of
from flakeship.commands.merge.result import Merged, tell
from flakeship.commands.merge.tag_before import images_before_merge, warn_of_lost
from flakeship.commands.platforms import platforms_of
from flakeship.commands.publish.compared import Compared
from flakeship.commands.publish.comparing import changes_of, comment_if_asked
from flakeship.commands.publish.metadata_file import (
    check_metadata,
    folder_beside,
    remove_link,
    remove_metadata,
)
from flakeship.commands.publish.opening import DestinationRequest
from flakeship.commands.publish.request import attaching_of
from flakeship.commands.run import Run, open_run
from flakeship.commands.runtime import Runtime
from flakeship.commands.set_names import set_names
from flakeship.destinations.protocol import Destination, TakesIndexes
from flakeship.errors import NotAllowedError, UsageError
from flakeship.image.index import seal_index
from flakeship.image.model import Platform
from flakeship.report.run_record import RunRecord, ToldOnce
from flakeship.settings.declaration import Settings


def run(settings: Settings, runtime: Runtime) -> str:
    """Merge, and return the references to print, one for each repository."""
    if settings.metadata_file:
        check_metadata(runtime.cwd / settings.metadata_file)
        remove_metadata(runtime.cwd / settings.metadata_file)
    if settings.provenance:
        remove_link(_provenance_file(settings, runtime))
        check_metadata(_provenance_file(settings, runtime))
        remove_metadata(_provenance_file(settings, runtime))
    record = RunRecord(ToldOnce(runtime.emit))
    with open_run(settings, replace(runtime, emit=record)) as run_:
        wanted = _wanted(settings)
        legs = read_legs(settings.legs, runtime.cwd)
        check_platforms(legs, wanted, all_known=False)
        why = check_withheld(legs)
        check_alike(legs, run_.emit)
        names = names_of(settings, legs, run_)
        if why:
            return _withheld(why, settings, legs, names, run_)
        merged = _merged(settings, legs, wanted, names, run_)
        if settings.provenance:
            from flakeship.commands.publish.attaching.provenance_file import write_provenance

            write_provenance({"": merged.attached}, _provenance_file(settings, runtime).parent, run_.emit)
        compared = Compared([each.image for each in merged.images], merged.published, merged.existing)
        changes = changes_of(compared, run_, in_comment=settings.pr_comment)
        comment_if_asked({"": replace(compared, changes=changes)}, settings, run_)
        return tell(replace(merged, changes=changes), settings, record, run_)


def _provenance_file(settings: Settings, runtime: Runtime) -> Path:
    return folder_beside(settings.metadata_file, runtime.cwd) / "provenance.json"


def _wanted(settings: Settings) -> tuple[Platform, ...]:
    if not settings.platforms:
        raise UsageError(
            "`merge` needs the platforms that the image is to have, and none is named",
            hint="give `platforms: linux/amd64,linux/arm64`: only so a leg that is missing is noticed",
        )
    found = platforms_of(settings.platforms)
    if len(found) < len(settings.platforms):
        raise UsageError(
            f"platforms names {', '.join(settings.platforms)}, and one of them twice",
            hint="name each platform once, and look whether another was meant",
        )
    return found


def _merged(
    settings: Settings, legs: Sequence[Leg], wanted: Sequence[Platform], names: Names, run_: Run
) -> Merged:
    attaching = attaching_of(settings, run_)
    request = DestinationRequest.of(
        replace(settings, to=(), load="", reuse="off", push_by_digest=False), run_
    )
    with contextlib.ExitStack() as scope:
        with run_.stage("check", "checking the destinations"):
            places = request.open(request.targets(names.references), scope)
        with run_.stage("look", f"looking at {len(legs)} images"):
            images = images_of([_only_at(leg, names.repositories) for leg in legs], run_.connections)
            found = [each.leg for each in images]
            check_platforms(found, wanted, all_known=True)
            check_alike(found, events.ignore)
            check_labels(images, run_.emit)
            warn_of_lost(names.references, wanted, run_.connections, run_.emit)
        images = in_order(images)
        index = seal_index(
            [each.descriptor for each in images],
            annotations=annotations_of(images, names, "index"),
            descriptor_annotations=annotations_of(images, names, "index-descriptor"),
            family=family_of(images),
        )
        if settings.provenance:
            from flakeship.commands.merge.provenance import MergedProvenance

            provenance = MergedProvenance(images, run_)
            provenance.check()
            attaching = attaching.making(provenance.artifacts) if attaching else None
        with run_.stage("merge", f"merging {', '.join(str(each.platform) for each in images)}"):
            before = images_before_merge(
                names.references, index.descriptor.digest, run_.connections, run_.emit
            )
            alone = len(places) == 1 and not attaching
            prepared = [place.prepare_index(index, alone=alone) for place in _taking(places)]
            attached = attaching.attach(index, (), places) if attaching else None
            published = set_names(prepared, run_.runtime.tags)
            if attaching:
                attaching.confirm(places)
    return Merged(index, tuple(images), published, attached, before)


def _only_at(leg: Leg, repositories: Sequence[str]) -> Leg:
    """The leg where the tags are: a file may name other registries, and no password is theirs."""
    return replace(leg, references={name: leg.references[name] for name in repositories})


def _taking(places: Sequence[Destination]) -> list[TakesIndexes]:
    return [place for place in places if isinstance(place, TakesIndexes)]


def _withheld(why: str, settings: Settings, legs: Sequence[Leg], names: Names, run_: Run) -> str:
    """Nothing was pushed by any job, as for a pull request from a fork: there is nothing to merge, and nothing is wrong."""
    if settings.push == "true":
        raise NotAllowedError(
            f"`push` is true, and no leg was pushed: {why}", hint="let the jobs that build push, too"
        )
    from flakeship.commands.merge.result import hand_over_nothing

    hand_over_nothing(run_)
    if settings.pr_comment:
        run_.emit(events.Notice("`pr-comment`: no comment is written: no platform was pushed"))
    text = f"NOT PUSHED: {', '.join(names.references)}: no platform was pushed: {why}"
    run_.emit(events.NotPushed(text, run_.event.from_outside))
    return ""
