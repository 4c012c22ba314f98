"""Outputs of a step for the steps after it: GitHub's files of outputs and summary, safe against what the values hold."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from flakeship.errors import ResourceError


def write(outputs: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Append to the file that GITHUB_OUTPUT names, if it names one. ResourceError where it can't be written.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions#multiline-strings
    """
    _append("GITHUB_OUTPUT", "".join(entry(key, value) for key, value in outputs.items()), environ)


def write_environment(variables: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Append to the file that GITHUB_ENV names: variables of every later step of the job."""
    _append("GITHUB_ENV", "".join(entry(key, value) for key, value in variables.items()), environ)


def write_summary(markdown: str, environ: Mapping[str, str]) -> None:
    """Append to the page of the job. ResourceError where it can't be written."""
    _append("GITHUB_STEP_SUMMARY", markdown, environ)


def entry(key: str, value: str, delimiter: str = "") -> str:
    """`KEY<<DELIMITER`, the value's lines, the delimiter: one that nobody can have foreseen.

    ResourceError for a value that holds it, which would make outputs of its own.
    """
    delimiter = delimiter or f"end_{secrets.token_hex(16)}"
    if delimiter in value or delimiter in key:
        raise ResourceError(
            f"the output {key} holds the random delimiter of the outputs file", hint="run the step again"
        )
    return f"{key}<<{delimiter}\n{value}\n{delimiter}\n"


def _append(variable: str, text: str, environ: Mapping[str, str]) -> None:
    if not (name := environ.get(variable)):
        return
    try:
        with Path(name).open("a", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.write(text)
    except OSError as error:
        raise ResourceError(
            f"cannot write {variable} ({name}): {error.strerror}; the image is where it should be",
            hint="the runner makes this file; look at how the step is run",
        ) from error
