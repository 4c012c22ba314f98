"""Writes the runner's files for outputs, environment and summary, so that no value can add an entry of its own."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from flakeship.ci.handover import Handover
from flakeship.errors import ResourceError, UsageError
from flakeship.redaction import redacted_result
from flakeship.report.markup import appended, shortened

PAGE_LIMIT: Final = 1 << 20
"""Bytes. GitHub does not show a larger summary at all."""

_EXPORTED: Final = "DOCKER_METADATA_SET_OUTPUT_ENV"

_TRUE: Final = frozenset({"true", "t", "1"})
_FALSE: Final = frozenset({"false", "f", "0"})


def hand_over(shipped: Handover, environ: Mapping[str, str]) -> None:
    """Write all outputs of the action `publish`. Raises ResourceError where they can't be written."""
    _write("GITHUB_OUTPUT", shipped.outputs, environ)
    if environ.get(_ARTIFACTS):
        _append(_ARTIFACTS, "".join(f"oci://{each}\n" for each in _announced(shipped, environ)), environ)


_ARTIFACTS: Final = "GITHUB_ARTIFACTS"
"""The file of what later steps may sign a statement about: https://github.com/actions/runner/pull/4527."""

_MOST_ARTIFACTS: Final = 500


def _announced(shipped: Handover, environ: Mapping[str, str]) -> list[str]:
    """The references to announce. The runner fails the step where one name comes with two digests, so such a name is left out."""
    with contextlib.suppress(OSError):
        there = Path(environ[_ARTIFACTS]).read_text(errors="replace").splitlines()
        digests: dict[str, set[str]] = {}
        for each in (*(line.removeprefix("oci://") for line in there), *shipped.to_attest):
            digests.setdefault(each.partition("@")[0], set()).add(each)
        alone = [each for each in shipped.to_attest if len(digests[each.partition("@")[0]]) == 1]
        new = [each for each in dict.fromkeys(alone) if f"oci://{each}" not in there]
        return new[: max(0, _MOST_ARTIFACTS - len(there))]
    return list(dict.fromkeys(shipped.to_attest))[:_MOST_ARTIFACTS]


def hand_over_metadata(outputs: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Write outputs of the step, and the same as variables of later steps, as docker/metadata-action does.

    Raises ResourceError where they can't be written, UsageError for a malformed DOCKER_METADATA_SET_OUTPUT_ENV.
    """
    _write("GITHUB_OUTPUT", outputs, environ)
    _write("GITHUB_ENV", exported(outputs, environ), environ)


def exported(outputs: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Name the outputs as variables, `DOCKER_METADATA_OUTPUT_BAKE_FILE`; none where DOCKER_METADATA_SET_OUTPUT_ENV is false."""
    text = environ.get(_EXPORTED, "")
    word = text.strip().lower()
    if word not in {"", *_TRUE, *_FALSE}:
        raise UsageError(
            f"{_EXPORTED} is {text!r}, which is neither true nor false", hint="write true or false"
        )
    if word in _FALSE:
        return {}
    return {
        f"DOCKER_METADATA_OUTPUT_{name.replace('-', '_').upper()}": text for name, text in outputs.items()
    }


def summarise(markdown: str, environ: Mapping[str, str]) -> None:
    """Append to the page of the job; where there is no room, whole parts are left out. Raises ResourceError where it can't
    be written.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions#step-isolation-and-limits
    """
    taken = _size(environ.get("GITHUB_STEP_SUMMARY", ""))
    gap = len(appended("", to_something=taken > 0))
    if text := shortened(markdown, PAGE_LIMIT - taken - gap):
        _append("GITHUB_STEP_SUMMARY", appended(text, to_something=taken > 0), environ)


def entry(key: str, value: str, delimiter: str = "") -> str:
    """Return `KEY<<DELIMITER`, the lines of the value, and the delimiter, which is random unless given.

    Raises ResourceError for a value that contains the delimiter: it could add outputs of its own.
    """
    delimiter = delimiter or f"end_{secrets.token_hex(16)}"
    if delimiter in value or delimiter in key:
        raise ResourceError(
            f"the output {key} holds the random delimiter of the outputs file", hint="run the step again"
        )
    return f"{key}<<{delimiter}\n{value}\n{delimiter}\n"


def _write(variable: str, values: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Append KEY=VALUE to a file of the runner, if the environment names it.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions#multiline-strings
    """
    _append(variable, "".join(entry(key, value) for key, value in values.items()), environ)


_OF_ACT: Final = (
    "use flakeship/flakeship/native with `-P …=-self-hosted`, where act gives a container no folder for this file; or run the job "
    "in an image"
)
"""act sets the variable ACT: https://nektosact.com/usage/index.html."""


def _append(variable: str, text: str, environ: Mapping[str, str]) -> None:
    if not (name := environ.get(variable)):
        return
    try:
        with Path(name).open("ab") as file:
            file.write(_bytes(redacted_result(text)))
    except OSError as error:
        raise ResourceError(
            f"can't write {variable} ({name}): {error.strerror}; the image is at its destinations",
            hint=_OF_ACT
            if environ.get("ACT")
            else "check how the step is started: the runner makes this file",
        ) from error


def _bytes(text: str) -> bytes:
    return text.encode(errors="backslashreplace")


def _size(name: str) -> int:
    """Return the size of a file in bytes, 0 where it can't be looked at: writing to it will raise the error."""
    try:
        return Path(name).stat().st_size if name else 0
    except OSError:
        return 0
