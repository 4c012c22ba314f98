"""Failures of Nix without Nix: its messages as a log has them, explained."""

from __future__ import annotations

from collections import deque
from typing import Final

from flakeship.errors import Error
from flakeship.events import ignore
from flakeship.nix.command import Nix
from flakeship.nix.explain import explain_failure
from flakeship.nix.failure import Failure
from flakeship.nix.installable import Installable
from flakeship.nix.log import Log
from tests.nix.samples import FAILS

INSTALLABLE: Final = Installable("github:o/r", "image", (), "/", None)


def explained(
    nix: Nix,
    *errors: str,
    tail: tuple[str, ...] = (),
    rest: tuple[str, ...] = (),
    installable: Installable = INSTALLABLE,
) -> Error:
    """Explain these `errors`; `tail` is the end of the log of FAILS, `rest` what programs print that Nix runs."""
    log = Log(ignore)
    for text in errors:
        log._logged(text, 0)
    log.tails[FAILS] = deque(tail)
    log.other_lines.extend(rest)
    return explain_failure(Failure(nix, installable, 1, log))
