"""A platform that `test_new_platform` adds: one module, as a new one would be that lacks most of what others have."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TextIO

from flakeship import events
from flakeship.ci.handover import Handover
from flakeship.ci.job_credentials import JobCredentials
from flakeship.ci.local import defaults
from flakeship.ci.protocol import Api
from flakeship.errors import Error
from flakeship.metadata.context import Context

NAME = "toy"
commit_page = defaults.commit_page
hand_over_metadata = defaults.hand_over_metadata
open_api = defaults.open_api
package_page = defaults.package_page
takes_outputs = defaults.takes_outputs
unreachable_hint = defaults.unreachable_hint


def matches(environ: Mapping[str, str]) -> bool:
    return "TOY" in environ


def context(environ: Mapping[str, str], *, cwd: str, now: datetime, api: Api | None = None) -> Context:
    return Context(run_date=now, commit_date=now, platform=NAME, ref="refs/heads/toys")


@contextlib.contextmanager
def open_log(
    out: TextIO, level: str, environ: Mapping[str, str], *, secrets: Sequence[str]
) -> Iterator[events.Emit]:
    masked = list(secrets)

    def emit(event: events.Event) -> None:
        match event:
            case events.StageStarted(name=name):
                out.write(f"<toy {name}>\n")
            case events.Detail(text=text):
                out.write(f"{text}\n")
            case events.Secret(text=text):
                masked.append(text)
            case _:
                pass

    yield emit
    out.write(f"<toy masks {len(masked)}>\n")


def report_failure(error: Error, out: TextIO, *, cwd: Path, environ: Mapping[str, str]) -> None:
    out.write(f"<toy failed: {error.message}; {error.hint}>\n")


def safe_on_stdout(text: str) -> str:
    return f"<toy prints>{text}"


def hand_over(shipped: Handover, environ: Mapping[str, str]) -> None:
    lines = [f"{image.reference} {image.digest}" for image in shipped.images]
    Path(environ["TOY"], "outputs").write_text("\n".join(lines))


def summarise(markdown: str, environ: Mapping[str, str]) -> None:
    Path(environ["TOY"], "page").write_text(markdown)


def job_credentials(environ: Mapping[str, str], *, token: str) -> Iterator[JobCredentials]:
    yield JobCredentials(environ["TOY_REGISTRY"], "job", environ["TOY_TOKEN"], "the token of the toy")


def refusal_hint(host: str, environ: Mapping[str, str]) -> str:
    return "ask for a better toy" if host == "127.0.0.1" else ""
