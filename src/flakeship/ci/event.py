"""Reads what every platform needs to describe an event: the variables of docker/metadata-action, and dates.

https://github.com/docker/metadata-action#environment-variables
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from flakeship.errors import UsageError


def short_sha_length(environ: Mapping[str, str]) -> int:
    """Return how many digits `{{sha}}` has: DOCKER_METADATA_SHORT_SHA_LENGTH or 7. Raises UsageError if it is no number."""
    text = environ.get("DOCKER_METADATA_SHORT_SHA_LENGTH", "")
    if not text:
        return 7
    try:
        return int(text)
    except ValueError:
        raise UsageError(
            f"DOCKER_METADATA_SHORT_SHA_LENGTH is {text!r}, which is no whole number",
            hint="Set it to a number such as 12.",
        ) from None


def wants_head_sha(environ: Mapping[str, str]) -> bool:
    """Tell whether a pull request's own commit is wanted instead of the platform's test merge of it."""
    return "true" in environ.get("DOCKER_METADATA_PR_HEAD_SHA", "").lower()


def moment(value: str) -> datetime | None:
    """Read an ISO 8601 time with its zone; None for anything else."""
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else None
