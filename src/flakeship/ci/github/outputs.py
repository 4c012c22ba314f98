"""Outputs of a step for the steps after it: GitHub's files of outputs and summary, safe against what the values hold."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from flakeship.errors import ResourceError

PAGE_LIMIT: Final = 1 << 20
"""Bytes. A step's summary that is larger is not shown at all."""

_LEFT_OUT: Final = "\nThe rest is left out: it is too long.\n"


def write(outputs: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Append to the file that GITHUB_OUTPUT names, if it names one. ResourceError where it can't be written.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions#multiline-strings
    """
    _append("GITHUB_OUTPUT", "".join(entry(key, value) for key, value in outputs.items()), environ)


def write_environment(variables: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Append to the file that GITHUB_ENV names: variables of every later step of the job."""
    _append("GITHUB_ENV", "".join(entry(key, value) for key, value in variables.items()), environ)


def write_summary(markdown: str, environ: Mapping[str, str]) -> None:
    """Append to the page of the job, or leave it at a line where there is no room. ResourceError where it can't be written.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions#step-isolation-and-limits
    """
    taken = _size(environ.get("GITHUB_STEP_SUMMARY", ""))
    fits = (text for text in (markdown, _LEFT_OUT, "") if taken + len(_bytes(text)) <= PAGE_LIMIT)
    _append("GITHUB_STEP_SUMMARY", next(fits, ""), environ)


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
        with Path(name).open("ab") as file:
            file.write(_bytes(text))
    except OSError as error:
        raise ResourceError(
            f"cannot write {variable} ({name}): {error.strerror}; what was shipped is where it should be",
            hint="the runner makes this file; look at how the step is run",
        ) from error


def _bytes(text: str) -> bytes:
    return text.encode(errors="backslashreplace")


def _size(name: str) -> int:
    """0 for a file that is not there; what is wrong with it is told when it is written."""
    try:
        return Path(name).stat().st_size if name else 0
    except OSError:
        return 0
