"""The page of a job on GitHub or GitLab, and the same summary in the log: each image once, and what came from which cache."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flakeship import events
from flakeship.ci import platforms
from flakeship.commands.publish import outputs
from flakeship.commands.publish.pages import pages_of
from flakeship.commands.publish.result import Result
from flakeship.commands.run import Run
from flakeship.commands.runtime import Runtime
from flakeship.errors import ResourceError
from flakeship.report.markdown import summary_markdown
from flakeship.report.markup import escaped
from flakeship.report.run_record import RunRecord
from flakeship.report.summary import PackageRow, summary_text
from flakeship.settings.declaration import Settings

if TYPE_CHECKING:
    from flakeship.report.picture.model import Contents


def drawn_and_summarised(
    result: Result, record: RunRecord, settings: Settings, run_: Run
) -> tuple[Contents, ...]:
    """Write the summary of one image, and return what its picture shows: nothing without a metadata file to lay it beside."""
    drawn: tuple[Contents, ...] = ()
    if settings.metadata_file:
        from flakeship.commands.publish.drawing import contents_of_result

        drawn = contents_of_result(result, run_)
    _summarise(result, record, settings, run_, drawn)
    return drawn


def tell_of_caches(line: str, runtime: Runtime) -> None:
    """Put what came from where on the page of the job, where it was not known before the caches were closed."""
    if line:
        with contextlib.suppress(ResourceError):  # the log has it
            platforms.summarise(f"\n{escaped(line)}\n", runtime.environ)


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
