"""What a GitLab job leaves behind for others to read: variables for later jobs, metrics for merge requests, a summary.

They go to the folder that SHIPPED_FOLDER names. Without it nothing is written: GitLab gives a job no place for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flakeship.errors import ResourceError

FOLDER: Final = "SHIPPED_FOLDER"
DOTENV: Final = "shipped.env"
METRICS: Final = "metrics.txt"
SUMMARY: Final = "summary.md"

_DOTENV_LIMIT: Final = 5 * 1024
_NOT_AS_WRITTEN: Final = re.compile(r"[\x00\r\n$]|%\w+%")
"""What ends a line, and what a later job would have expanded: these variables may name others."""

_SENT: Final = frozenset({"uploaded", "written"})


@dataclass(frozen=True, slots=True)
class Shipped:
    """One image, as the metadata tells of it; `name` is empty where there is but one."""

    name: str
    document: Mapping[str, Any]
    platforms: int

    @property
    def destinations(self) -> list[Mapping[str, Any]]:
        return list(self.document["flakeship.destinations"])

    @property
    def reference(self) -> str:
        """Of the first place that it was sent to; where it was sent nowhere, of the first that there is."""
        sent = [item["reference"] for item in self.destinations if item["sent"]]
        return str((sent or [self.destinations[0]["reference"]])[0])


def write(outputs: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Variables and metrics. ResourceError where they can't be written."""
    if environ.get(FOLDER):
        shipped = list(_shipped(outputs))
        _write(DOTENV, dotenv(variables(outputs, shipped)), environ)
        _write(METRICS, metrics(shipped, job=environ.get("CI_JOB_NAME", "")), environ)


def write_summary(markdown: str, environ: Mapping[str, str]) -> None:
    """Append to the page that the job keeps. ResourceError where it can't be written."""
    _write(SUMMARY, markdown, environ, mode="a")


def variables(outputs: Mapping[str, str], shipped: list[Shipped]) -> dict[str, str]:
    """Few and short: a dotenv report holds little. Of several images each variable lists all, with blanks between."""
    return {
        "SHIPPED_DIGEST": " ".join(outputs["digest"].split()),
        "SHIPPED_REF": " ".join(one.reference for one in shipped),
        "SHIPPED_IMAGEID": " ".join(outputs["imageid"].split()),
        "SHIPPED_PUSHED": outputs["pushed"],
    }


def dotenv(values: Mapping[str, str]) -> str:
    """GitLab reads lines of KEY=VALUE, keeps quotes, strips blanks at both ends, and expands `$NAME` and `%NAME%`.

    ResourceError for a value that would read as something else, and from 5 KiB on, where GitLab takes none of it.
    https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsdotenv
    """
    for key, value in values.items():
        if _NOT_AS_WRITTEN.search(value) or value != value.strip():
            raise ResourceError(
                f"{key} is {value!r}, which GitLab can't hand to another job; what was shipped is where it should be",
                hint="take line breaks, `$`, and blanks at the ends, out of the names that you ship to",
            )
    text = "".join(f"{key}={value}\n" for key, value in values.items())
    if len(text.encode(errors="surrogateescape")) >= _DOTENV_LIMIT:
        raise ResourceError(
            f"{', '.join(values)} take more than GitLab's {_DOTENV_LIMIT} bytes of variables; the images are where "
            "they should be",
            hint="ship fewer images in one job; the metadata file tells of all",
        )
    return text


def metrics(shipped: list[Shipped], *, job: str) -> str:
    """For the widget of a merge request, which compares them with the target branch's.

    https://docs.gitlab.com/ci/testing/metrics_reports/
    """
    return "".join(f"{line}\n" for one in shipped for line in _metrics_of(one, job))


def _metrics_of(one: Shipped, job: str) -> Iterator[str]:
    labels = {"job": job, "image": one.name}
    shown = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items() if value)
    blobs = one.destinations[0]["blobs"]
    sent = [blob for item in one.destinations for blob in item["blobs"] if blob["state"] in _SENT]
    values = {
        "flakeship_image_bytes": sum(blob["size"] for blob in blobs),
        "flakeship_image_layers": len(blobs) - one.platforms,
        "flakeship_sent_bytes": sum(blob["size"] for blob in sent),
    }
    yield from (
        f"{name}{{{shown}}} {value}" if shown else f"{name} {value}" for name, value in values.items()
    )


def _shipped(outputs: Mapping[str, str]) -> Iterator[Shipped]:
    document = json.loads(outputs["metadata"])
    named = {"": document} if "containerimage.digest" in document else document
    platforms = [len(json.loads(line)) for line in outputs["digests"].splitlines()]
    for (name, one), count in zip(named.items(), platforms, strict=True):
        yield Shipped(name, one, count)


def _escaped(label: str) -> str:
    """GitLab splits a line as a shell would, after it has cut it at a `#`, even where that is within quotes."""
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n").replace("#", "♯")


def _write(name: str, text: str, environ: Mapping[str, str], *, mode: str = "w") -> None:
    if not (folder := environ.get(FOLDER)):
        return
    path = Path(environ.get("CI_PROJECT_DIR", ""), folder, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode, encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(text)
    except OSError as error:
        raise ResourceError(
            f"cannot write {path}: {error.strerror}; what was shipped is where it should be",
            hint=f"let {FOLDER} name a folder that the job may write to",
        ) from error
