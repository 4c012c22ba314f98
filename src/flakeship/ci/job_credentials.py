"""The credentials that a platform gives to its jobs, as a value."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class JobCredentials:
    """What a platform gives its jobs to log in at one registry. `source` names the variables in a log."""

    registry: str
    username: str
    password: str = field(repr=False)
    source: str
