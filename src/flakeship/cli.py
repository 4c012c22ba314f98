"""The door: argv and environment in, exit code out. Only here every error is caught, and the machine around is read."""

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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO
from urllib.parse import unquote

from flakeship import __version__
from flakeship.cancellation import Cancellation, Cancelled
from flakeship.commands import COMMANDS, PUBLISHING
from flakeship.commands.tag_record import TagRecord
from flakeship.confinement import exposure
from flakeship.errors import Error, ResourceError, UsageError, advice
from flakeship.redaction import forget, learn, redacted, redacted_result
from flakeship.settings import arguments
from flakeship.settings.declaration import inputs
from flakeship.settings.variables import likely_secrets

if TYPE_CHECKING:
    from flakeship.events import Emit, Event
    from flakeship.settings.declaration import Settings


def entry() -> NoReturn:
    """Run as a program. Threads that an error has abandoned may hang in a read: they are not waited for."""
    _open_streams()
    exposure.withdraw()
    try:
        code = main(sys.argv[1:], last=True)
    except Exception:  # noqa: BLE001 - the threads of a run that hit a bug are not waited for either
        sys.stderr.write(redacted(traceback.format_exc()))
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, AttributeError):
            stream.flush()
    os._exit(code)


def main(argv: Sequence[str], *, last: bool = False) -> int:
    """Run one command; return 0, or the exit code of the error that ended it.

    If it is the `last` thing that the process does, a signal after it ends nothing.
    """
    forget()
    cancellation = Cancellation()
    tags = TagRecord(cancellation.uninterrupted)
    try:
        with cancellation.handled(last=last):
            _run(_read(argv), tags, argv)
    except Cancelled as end:
        error: Error = tags.cancelled(end.number, end.__cause__)
        _tell(error, argv)
        return error.exit_code
    except Error as end:
        error = tags.failed(end)
        _tell(error, argv)
        return error.exit_code
    except SystemExit as end:  # argparse: --help and --version
        return int(end.code or 0)
    except BrokenPipeError:  # whoever read our stdout has gone
        return 128 + signal.SIGPIPE
    except (OSError, MemoryError, RuntimeError) as error:
        lacking = _lacking(error)
        if lacking is None:
            raise
        _tell(lacking, argv)
        return lacking.exit_code
    return 0


def _read(argv: Sequence[str]) -> arguments.Invocation:
    """Read the inputs. Whether they can be read or not, what an earlier run handed over is not taken for this one's."""
    for secret in likely_secrets(argv, os.environ, inputs()):
        learn(secret)
    publishing = bool(argv) and argv[0] in PUBLISHING
    if publishing:
        from flakeship.ci.platforms import withdraw_outputs

        withdraw_outputs(os.environ)
    try:
        return arguments.read(argv, os.environ, sys.stdin)
    except UsageError:
        if publishing and (name := arguments.named("metadata-file", argv, os.environ)):
            from flakeship.commands.publish.metadata_file import remove_metadata

            remove_metadata(Path(name))
        raise


def _lacking(error: OSError | MemoryError | RuntimeError) -> ResourceError | None:
    """Tell a shortage of this machine from a bug: the error to report if one is why `error` was raised, else None."""
    hint = "check the disk and the limits (`ulimit -a`) of this machine, and what this user may do"
    match error:
        case OSError(filename=where):
            hint = advice(error, hint)
            what = f"{where}: {error.strerror}" if where else error.strerror or str(error)
        case MemoryError():
            what = "this process can get no more memory"
        case RuntimeError() if "can't start new thread" in str(error):
            what = "no further thread can be started"
        case _:
            return None
    return ResourceError(what, hint=hint)


def _open_streams() -> None:
    """Without a stream its number goes to the next file that is opened, and children would write into that."""
    for number in range(3):
        with contextlib.suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - for as long as the process lives


def _run(invocation: arguments.Invocation, tags: TagRecord, argv: Sequence[str]) -> None:
    import importlib

    from flakeship import events
    from flakeship.ci.platforms import current_platform, shipped_folders

    settings, stdout = invocation.settings, _stdout()
    secrets, platform = settings.secrets, current_platform(os.environ)
    for secret in (*secrets, *_of_proxies(os.environ), *_given_to_nix(settings, os.environ)):
        learn(secret)
    with platform.open_log(sys.stderr, settings.log_level, os.environ, secrets=secrets) as written:
        log = _as_written(events.redacting(written), argv)
        if invocation.command in PUBLISHING:  # a build may take long; the others answer at once
            tags.begin()
            log(events.Started(__version__))
        from flakeship.commands.runtime import Runtime
        from flakeship.commands.workspace_owner import workspace_owned

        for warning in invocation.warnings:
            log(events.Warned(warning))
        for notice in invocation.notices:
            log(events.Notice(notice))
        runtime = Runtime(
            environ=dict(os.environ),
            cwd=_cwd(),
            home=Path(os.environ.get("HOME") or "/"),
            now=datetime.now(UTC),
            clock=time.monotonic,
            begun=time.monotonic(),
            sleep=time.sleep,
            random=random.random,
            cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            emit=log,
            stdout=stdout.buffer,
            tags=tags,
            spelled=partial(_spelled, argv),
        )
        with workspace_owned(settings, runtime.cwd, *shipped_folders(os.environ)):
            text = importlib.import_module(COMMANDS[invocation.command]).run(settings, runtime)
    if invocation.command in PUBLISHING and not text:  # nothing was written anywhere
        return
    out = sys.stderr if "-" in settings.to else stdout  # stdout has the image itself
    try:
        print(platform.safe_on_stdout(redacted_result(text)), file=_encoded_for(text, out), flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        shipped = "; the image is at its destinations" if invocation.command in PUBLISHING else ""
        raise ResourceError(
            f"can't write the result to stdout: {error.strerror}{shipped}",
            hint="redirect stdout to a file on a disk that has room",
        ) from error


def _of_proxies(environ: Mapping[str, str]) -> Iterator[str]:
    """The passwords in the URLs of HTTP proxies, as they stand there and decoded."""
    for name, value in environ.items():
        user, at, _ = value.rpartition("@")
        if at and name.lower().endswith("_proxy"):
            password = user.rpartition("://")[2].partition(":")[2]
            yield from filter(None, (password, unquote(password)))


def _given_to_nix(settings: Settings, environ: Mapping[str, str]) -> Iterator[str]:
    """The secrets that Nix gets on purpose, which a builder may print: its access tokens, and those of `pass-env`."""
    for text in (environ.get("NIX_CONFIG", ""), *settings.nix_config):
        for line in text.splitlines():
            _, named, rest = line.partition("access-tokens")
            if named:  # however the line is spelled: it may be an error that quotes it
                tokens = [word.partition("=")[2] for word in rest.lstrip(" \t=:").split()]
                yield from filter(None, (*tokens, *(token.partition(":")[2] for token in tokens)))
    if settings.pass_env:
        from flakeship.confinement.variables import is_named_like_a_secret, with_partners

        names = with_partners(frozenset(settings.pass_env), environ)
        yield from (environ[name] for name in names if environ.get(name) and is_named_like_a_secret(name))


def _cwd() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(
            f"the working folder can't be determined: {error.strerror}", hint="change to a folder that exists"
        ) from error


def _stdout() -> TextIO:
    if not isinstance(sys.stdout, io.TextIOWrapper):
        raise ResourceError(
            "stdout is closed, but the result is written there",
            hint="redirect it to a file or to /dev/null",
        )
    codecs.register_error("flakeship", _unencodable)
    sys.stdout.reconfigure(encoding=sys.getfilesystemencoding(), errors="flakeship")
    return sys.stdout


def _encoded_for(text: str, out: TextIO) -> TextIO:
    """JSON is UTF-8 in every locale, for programs read it: https://www.rfc-editor.org/rfc/rfc8259#section-8.1."""
    if text.startswith(("{", "[")) and isinstance(out, io.TextIOWrapper):
        out.reconfigure(encoding="utf-8")
    return out


def _unencodable(error: UnicodeError) -> tuple[str | bytes, int]:
    """The names of files need not be text, and get back their bytes; what a locale lacks is escaped."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    try:
        return text.encode(error.encoding, "surrogateescape"), error.end
    except UnicodeEncodeError:
        return text.encode(error.encoding, "backslashreplace"), error.end


def _as_written(onward: Emit, argv: Sequence[str]) -> Emit:
    """Return an `Emit` that passes texts for the user on with the names of inputs as the user wrote them.

    What was not pushed stays as it is: the page of the job and the metadata file have the same line.
    """
    from flakeship import events

    def emit(event: Event) -> None:
        if isinstance(event, events.Warned):
            event = events.Warned(_spelled(argv, event.text), _spelled(argv, event.hint))
        elif isinstance(event, events.Notice):
            event = replace(event, text=_spelled(argv, event.text))
        onward(event)

    return emit


def _spelled(argv: Sequence[str], text: str) -> str:
    from flakeship.settings.spelling import as_written

    return as_written(text, argv, os.environ)


def _tell(error: Error, argv: Sequence[str]) -> None:
    from flakeship.ci.platforms import current_platform, hand_over_failure, shipped_folders, summarise
    from flakeship.outside.mounted import unmounted_hint
    from flakeship.report.markdown import failure_markdown
    from flakeship.settings.spelling import as_written

    platform = current_platform(os.environ)
    hint = "; ".join(
        filter(None, (error.hint or error.usual_hint, unmounted_hint(error.__cause__, os.environ)))
    )
    message, hint = (as_written(each, argv, os.environ) for each in (error.message, hint))
    error.message, error.hint, error.detail = map(redacted, (message, hint, error.detail))
    with contextlib.suppress(OSError):
        platform.report_failure(error, sys.stderr, cwd=Path(), environ=os.environ)
    with contextlib.suppress(Error):
        summarise(failure_markdown(error), os.environ)
    if argv and argv[0] in PUBLISHING:
        with contextlib.suppress(Error):
            hand_over_failure(os.environ)
    if folders := shipped_folders(os.environ):
        from flakeship.commands.workspace_owner import give_to_owner

        with contextlib.suppress(OSError):
            give_to_owner(folders, Path.cwd())
