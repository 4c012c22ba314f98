"""The door: argv and environment in, exit code out. The only place that catches errors, and that reads the runtime."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, TextIO

from flakeship import __version__
from flakeship.cancellation import Cancellation, Cancelled
from flakeship.errors import Error, ResourceError, UsageError
from flakeship.settings import arguments
from flakeship.settings.declaration import Settings

if TYPE_CHECKING:
    from flakeship.commands.runtime import Runtime


def entry() -> NoReturn:
    """Run as a program. Threads that an error has abandoned may hang in a read: they are not waited for."""
    _open_streams()
    try:
        code = main(sys.argv[1:], last=True)
    except Exception:  # noqa: BLE001 - the threads of a run that hit a bug are not waited for either
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, AttributeError):
            stream.flush()
    os._exit(code)


def main(argv: Sequence[str], *, last: bool = False) -> int:
    """Run; 0, or the exit code of the error that ended it. Where it is the `last` thing, a signal after it ends nothing."""
    cancellation = Cancellation()
    try:
        with cancellation.handled(last=last):
            _run(arguments.read(argv, os.environ, sys.stdin), cancellation)
    except (Cancelled, Error) as end:
        error = cancellation.told(end)
        _tell(error)
        return error.exit_code
    except SystemExit as end:  # argparse: --help and --version
        return int(end.code or 0)
    except BrokenPipeError:  # whoever read our stdout has gone
        return 128 + signal.SIGPIPE
    except (OSError, MemoryError, RuntimeError) as error:
        lacking = _lacking(error)
        if lacking is None:
            raise
        _tell(lacking)
        return lacking.exit_code
    return 0


def _lacking(error: OSError | MemoryError | RuntimeError) -> ResourceError | None:
    """What this machine lacks, where that is why something failed that nobody expected to fail; None for a bug."""
    match error:
        case OSError(filename=where):
            what = f"{where}: {error.strerror}" if where else error.strerror or str(error)
        case MemoryError():
            what = "there is no memory left"
        case RuntimeError() if "can't start new thread" in str(error):
            what = "no further thread can be started"
        case _:
            return None
    return ResourceError(
        what, hint="look at the disk, the limits (`ulimit -a`) and the rights of this machine"
    )


def _open_streams() -> None:
    """Without a stream its number goes to the next file that is opened, and children would write into that."""
    for number in range(3):
        with contextlib.suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - for as long as the process lives


def _run(invocation: arguments.Invocation, cancellation: Cancellation) -> None:
    from flakeship import events
    from flakeship.ci.platforms import current_platform

    settings, stdout = invocation.settings, _stdout()
    secrets, platform = settings.secrets, current_platform(os.environ)
    with platform.open_log(sys.stderr, settings.log_level, os.environ, secrets=secrets) as log:
        report = log
        if invocation.command == "publish":  # a build may take long; the others answer at once
            report = cancellation.recorded(log)
            report(events.Started(__version__))
        from flakeship.commands.runtime import Runtime
        from flakeship.commands.workspace_owner import workspace_owned

        for warning in invocation.warnings:
            report(events.Warned(warning))
        runtime = Runtime(
            environ=dict(os.environ),
            cwd=_cwd(),
            home=Path(os.environ.get("HOME") or "/"),
            now=datetime.now(UTC),
            clock=time.monotonic,
            sleep=time.sleep,
            random=random.random,
            cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            emit=report,
            stdout=stdout.buffer,
            uninterrupted=cancellation.uninterrupted,
        )
        with workspace_owned(settings, runtime.cwd):
            said = _COMMANDS[invocation.command](settings, runtime)
    told = sys.stderr if "-" in settings.to else stdout  # stdout has the image itself
    try:
        print(platform.safe_on_stdout(said), file=told, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        shipped = "; the image is where it should be" if invocation.command == "publish" else ""
        raise ResourceError(
            f"cannot write the result to stdout: {error.strerror}{shipped}",
            hint="redirect stdout to a file on a disk that has room",
        ) from error


def _cwd() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(
            f"the working folder can't be told: {error.strerror}", hint="change to a folder that exists"
        ) from error


def _stdout() -> TextIO:
    if not isinstance(sys.stdout, io.TextIOWrapper):
        raise ResourceError(
            "stdout is closed, and the result is to be written there",
            hint="redirect it to a file or to /dev/null",
        )
    codecs.register_error("flakeship", _unencodable)
    sys.stdout.reconfigure(encoding=sys.getfilesystemencoding(), errors="flakeship")
    return sys.stdout


def _unencodable(error: UnicodeError) -> tuple[str | bytes, int]:
    """The names of files need not be text, and get back their bytes; what a locale lacks is escaped."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    try:
        return text.encode(error.encoding, "surrogateescape"), error.end
    except UnicodeEncodeError:
        return text.encode(error.encoding, "backslashreplace"), error.end


def _publish(settings: Settings, runtime: Runtime) -> str:
    from flakeship import events
    from flakeship.ci.platforms import current_platform
    from flakeship.commands.event import context_of
    from flakeship.commands.publish import outputs as result
    from flakeship.commands.publish import pipeline, together
    from flakeship.commands.publish.attributes import attributes_of, check_default
    from flakeship.commands.publish.debug_variant import publish_all
    from flakeship.report.markdown import summary_markdown
    from flakeship.report.run_record import RunRecord, UniqueNotices
    from flakeship.report.summary import summary_text

    if settings.metadata_file:
        result.check_metadata(runtime.cwd / settings.metadata_file)
    runtime = replace(runtime, emit=UniqueNotices(runtime.emit))
    platform, lines = current_platform(runtime.environ), list[str]()
    made: dict[str, pipeline.Result] = {}
    attributes = attributes_of(settings)
    if len(attributes) > 1:
        check_default(attributes, context_of(settings, runtime))
    for attribute in attributes:
        record = RunRecord(runtime.emit)
        each, *beside = publish_all(attribute.settings, replace(runtime, emit=record), tag=attribute.tag)
        made[attribute.name] = each
        summary = result.summary(each.packed, each.published)
        try:
            platform.summarise(summary_markdown(summary, record), runtime.environ)
        except ResourceError as error:  # the outputs count for more
            runtime.emit(events.Warned(error.message, error.hint))
        runtime.emit(events.Summarised(summary_text(summary)))
        lines += [line for one in (each, *beside) for line in result.references(one.published)]
    if settings.metadata_file:
        result.write_metadata(runtime.cwd / settings.metadata_file, together.metadata(made))
    platform.hand_over(together.handover(made), runtime.environ)
    return "\n".join(lines)


def _inspect(settings: Settings, runtime: Runtime) -> str:
    from flakeship.commands.inspect import inspect
    from flakeship.report.inspection import inspection_text, inspections_json

    images = inspect(settings, runtime)
    return inspections_json(images) if settings.json else "\n\n".join(map(inspection_text, images))


def _layers(settings: Settings, runtime: Runtime) -> str:
    from flakeship.commands.layer_cache import kept_layers
    from flakeship.report.layer_cache import layer_cache_json, layer_cache_text

    folder, layers = kept_layers(settings, runtime)
    return (layer_cache_json if settings.json else layer_cache_text)(folder, layers)


def _metadata(settings: Settings, runtime: Runtime) -> str:
    from flakeship.commands.metadata import run

    return run(settings, runtime)


_COMMANDS: Final[dict[str, Callable[[Settings, Runtime], str]]] = {
    "publish": _publish,
    "inspect": _inspect,
    "layers": _layers,
    "metadata": _metadata,
}
"""What a command prints on stdout; their names are those of `arguments.COMMANDS`."""


def _tell(error: Error) -> None:
    from flakeship.ci.platforms import current_platform
    from flakeship.report.markdown import failure_markdown

    platform = current_platform(os.environ)
    with contextlib.suppress(OSError):
        platform.report_failure(error, sys.stderr, cwd=Path())
    with contextlib.suppress(Error):
        platform.summarise(failure_markdown(error), os.environ)
