"""Writes the files that GitLab reads of a job: variables for later jobs, metrics for merge requests, and a summary.

They go to the folder that SHIPPED_FOLDER names, on whatever platform: gitlab-ci-local says that it is not GitLab, and a script
can read them too. Without it nothing is written, because GitLab itself gives a job no place for such files; a job declares
them as reports and artifacts.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from flakeship.ci.handover import Handover, ShippedImage
from flakeship.errors import ResourceError, UsageError
from flakeship.redaction import redacted_result
from flakeship.report.markup import appended

FOLDER: Final = "SHIPPED_FOLDER"
DOTENV: Final = "shipped.env"
METRICS: Final = "metrics.txt"
SUMMARY: Final = "summary.md"

_DOTENV_LIMIT: Final = 5 * 1024
_MOST_VARIABLES: Final = 20
"""What an instance of GitLab takes unless it was told otherwise; gitlab.com takes more.

https://docs.gitlab.com/administration/instance_limits/#limit-dotenv-variables
"""
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Z0-9]")
# docs/decisions.md#gitlab-reports-follow-the-rules-of-readers
_CHANGED_BY_GITLAB: Final = re.compile(r"[\x00\r\n$]|%\w+%")
"""Characters that end a line, and references to variables, which GitLab expands in the later job."""


def check_names(names: Sequence[str]) -> None:
    """UsageError where two images of a run would have one variable; `names` are those of its attributes."""
    counted = Counter(map(variable_of, names))
    for variable, number in counted.items():
        if number > 1:
            alike = " and ".join(repr(name) for name in names if variable_of(name) == variable)
            raise UsageError(
                f"flake: {alike} would both be {variable} in {DOTENV}",
                hint="give each a name that differs in more than case, dashes and underscores: one=.#a and two=.#b",
            )


def hand_over(shipped: Handover, environ: Mapping[str, str]) -> None:
    """Write variables and metrics. Raises ResourceError where they can't be written."""
    _write(DOTENV, dotenv_of(shipped), environ)
    _write(METRICS, metrics(shipped.images, job=environ.get("CI_JOB_NAME", "")), environ)


# docs/decisions.md#a-failed-job-says-that-nothing-was-pushed
def hand_over_failure(environ: Mapping[str, str]) -> None:
    """Write that nothing was pushed. Raises ResourceError where it can't be written."""
    _write(DOTENV, dotenv_of(Handover((), pushed=False, outputs={})), environ)
    job = environ.get("CI_JOB_NAME", "")
    _write(
        METRICS, f'flakeship_pushed{{job="{_escaped(job)}"}} 0\n' if job else "flakeship_pushed 0\n", environ
    )


def withdraw(environ: Mapping[str, str]) -> None:
    """Remove variables and metrics of an earlier run in the same folder: should this one fail, they are not its own."""
    for name in (DOTENV, METRICS):
        with contextlib.suppress(OSError):
            (folder_of(environ) / name).unlink()


def summarise(markdown: str, environ: Mapping[str, str]) -> None:
    """Append to the page that the job keeps as a file. Raises ResourceError where it can't be written."""
    path = folder_of(environ) / SUMMARY
    there = path.is_file() and path.stat().st_size > 0
    _write(SUMMARY, appended(markdown, to_something=there), environ, mode="a")


def folder_of(environ: Mapping[str, str]) -> Path:
    """Return the folder that SHIPPED_FOLDER names: on GitLab a relative one lies in the project's folder."""
    return Path(environ.get("CI_PROJECT_DIR", ""), environ[FOLDER])


def variable_of(name: str) -> str:
    """Return the variable for the reference of an attribute: `SHIPPED_REF_MY_API` for `my-api`."""
    return f"SHIPPED_REF_{_NOT_IN_A_NAME.sub('_', name.upper())}"


def dotenv_of(shipped: Handover) -> str:
    """Return the variables as a dotenv report. Raises ResourceError as `dotenv`.

    Of several images each has its reference in a variable of its own. Where GitLab would not take as many variables, the
    other digests are left out; where even so it would not, only the lists remain.
    """
    # docs/decisions.md#each-of-several-images-has-a-variable
    lists, named = variables(shipped), named_variables(shipped.images)
    few = {key: lists[key] for key in ("SHIPPED_REF", "SHIPPED_PUSHED")}
    for values in (lists | named, few | named):
        if named and len(values) <= _MOST_VARIABLES and len(_lines(values)) < _DOTENV_LIMIT:
            return dotenv(values)
    return dotenv(lists)


def variables(shipped: Handover) -> dict[str, str]:
    """Choose few and short variables, for a dotenv report holds little.

    Each lists all images that are anywhere, with blanks between: what is nowhere can't be deployed.
    """
    there = [image for image in shipped.images if image.reference]
    return {
        "SHIPPED_DIGEST": " ".join(image.digest for image in there),
        "SHIPPED_REF": " ".join(image.reference for image in there),
        "SHIPPED_IMAGEID": " ".join(image.imageid for image in there),
        "SHIPPED_PUSHED": str(shipped.pushed).lower(),
    }


def named_variables(images: Iterable[ShippedImage]) -> dict[str, str]:
    """Return the reference of each of several images, by its variable; empty for one that is nowhere."""
    return {variable_of(image.name): image.reference for image in images if image.name}


def dotenv(values: Mapping[str, str]) -> str:
    """Write lines of KEY=VALUE, of which GitLab keeps quotes, strips blanks at both ends, and expands `$NAME` and `%NAME%`.

    Raises ResourceError for a value that GitLab would change, and from 5 KiB on, where it rejects the whole report.
    https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsdotenv
    """
    for key, value in values.items():
        if _CHANGED_BY_GITLAB.search(value) or value != value.strip():
            raise ResourceError(
                f"{key} is {value!r}, which GitLab can't hand to another job; the image is at its destinations",
                hint="use names without line breaks, without `$`, and without blanks at their ends",
            )
    lines = _lines(values)
    if len(lines) >= _DOTENV_LIMIT:
        raise ResourceError(
            f"{', '.join(values)} take more than GitLab's {_DOTENV_LIMIT} bytes of variables; the images are at "
            "their destinations",
            hint="publish fewer images in one job, or read the metadata file, which lists all of them",
        )
    return lines.decode(errors="surrogateescape")


def _lines(values: Mapping[str, str]) -> bytes:
    return "".join(f"{key}={value}\n" for key, value in values.items()).encode(errors="surrogateescape")


def metrics(images: Sequence[ShippedImage], *, job: str) -> str:
    """Write sizes for the widget of a merge request, which compares them with the target branch's.

    https://docs.gitlab.com/ci/testing/metrics_reports/
    """
    return "".join(f"{line}\n" for image in images for line in _metrics_of(image, job))


def _metrics_of(image: ShippedImage, job: str) -> Iterator[str]:
    labels = {"job": job, "image": image.name}
    shown = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items() if value)
    blobs = image.destinations[0].blobs
    sent = [blob for to in image.destinations for blob in to.blobs if blob.sent]
    values = {
        "flakeship_image_bytes": sum(blob.size for blob in blobs),
        "flakeship_image_layers": len(blobs) - image.platforms,
        "flakeship_sent_bytes": sum(blob.size for blob in sent),
        "flakeship_pushed": int(image.pushed),
        **{f"flakeship_{name}": number for name, number in image.changes},
    }
    yield from (
        f"{name}{{{shown}}} {value}" if shown else f"{name} {value}" for name, value in values.items()
    )


def _escaped(label: str) -> str:
    """Quote for a reader that cuts the line at a `#`, even within quotes, and then splits it as a shell does."""
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n").replace("#", "♯")


def _write(name: str, text: str, environ: Mapping[str, str], *, mode: str = "w") -> None:
    path = folder_of(environ) / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode, encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(redacted_result(text))
    except OSError as error:
        raise ResourceError(
            f"can't write {path}: {error.strerror}; the image is at its destinations",
            hint=f"set {FOLDER} to a folder that the job may write to",
        ) from error
