"""An entry of the catalogue of Nix's failures: how its words are recognised, and the error that they become."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from flakeship.errors import Error
from flakeship.nix.failure import Failure


@dataclass(frozen=True, slots=True)
class Cause:
    """`pattern` is searched in what Nix says (`Failure.said`), `.` matches line breaks too.

    `make` may return None: then it is something else, and the next entry is asked. `source` is True if the cause may be a
    file that Nix does not see.
    """

    pattern: str
    make: Callable[[Failure, re.Match[str]], Error | None]
    source: bool = False
