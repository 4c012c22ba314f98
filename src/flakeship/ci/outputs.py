"""Outputs of a step for the steps after it: GitHub's file of outputs, safe against what the values hold."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from flakeship.errors import ResourceError


def write(outputs: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Append to the file that GITHUB_OUTPUT names, if it names one. ResourceError where it can't be written.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions#multiline-strings
    """
    if not (name := environ.get("GITHUB_OUTPUT")):
        return
    text = "".join(_entry(key, value) for key, value in outputs.items())
    try:
        with Path(name).open("a", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise ResourceError(
            f"cannot write the outputs to GITHUB_OUTPUT ({name}): {error.strerror}; the image is published",
            hint="the runner makes this file; look at how the step is run",
        ) from error


def _entry(key: str, value: str) -> str:
    """`KEY<<DELIMITER`, the value's lines, the delimiter: one that nobody can have foreseen."""
    delimiter = f"end_{secrets.token_hex(16)}"
    return f"{key}<<{delimiter}\n{value}\n{delimiter}\n"
