"""Which of the machines in `builders` a build failed over, as what Nix says shows it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from flakeship.nix.elsewhere import NOT_HERE, NOT_TRUSTED, not_trusted
from flakeship.nix.failure import Failure
from flakeship.nix.remote_builder import RemoteBuilder
from flakeship.nix.ssh_failure import SshFailure, ssh_failure

_BUILT: Final = r"(?:builder for|Cannot build) '(/nix/store/[^'\n]+\.drv)'"
_ENDED: Final = re.compile(
    r"(?m)^ *error: (?:unexpected end-of-file|Nix daemon disconnected|[^'\n]*Broken pipe).*$"
)
"""What Nix says where the program on the other side is gone, with nothing that a build has printed."""


@dataclass(frozen=True, slots=True)
class FailedBuilder:
    """`builder` did not build `drv`: because of `why`, or for a full disk where that is None. `drv` is empty where it
    was given nothing yet.
    """

    builder: RemoteBuilder
    drv: str
    why: SshFailure | None


def failed_builder(failure: Failure, builders: Sequence[RemoteBuilder]) -> FailedBuilder | None:
    """None where no machine is the reason. NotAllowedError for one that does not trust its user."""
    return _over_a_build(failure, builders) or _over_a_connection(failure, builders)


def _over_a_build(failure: Failure, builders: Sequence[RemoteBuilder]) -> FailedBuilder | None:
    """For a lost machine Nix reports only that a builder failed; a machine that reports a failure of its own is named with the derivation."""
    for drv in re.findall(_BUILT, failure.said):
        builder = _of(failure.log.machines.get(drv, ""), builders)
        if builder is None:
            continue
        if failure.lacked_space(drv):
            return FailedBuilder(builder, drv, None)
        if f"build of '{drv}' on " in failure.said:
            continue
        if re.search(NOT_TRUSTED, failure.said):
            raise not_trusted(f"the builder {builder.machine}", failure.end)
        ended = "\n".join(_ENDED.findall(failure.said))
        if why := ssh_failure(f"{ended}\n{failure.around}"):
            return FailedBuilder(builder, drv, why)
    return None


def _over_a_connection(failure: Failure, builders: Sequence[RemoteBuilder]) -> FailedBuilder | None:
    """One that was lost while another of its connections began: where this machine builds nothing, Nix gives all up at once."""
    if not re.search(NOT_HERE, failure.said):
        return None
    for store in re.findall(r"cannot build on '([^'\n]+)'", failure.said):
        builder, why = _of(store, builders), ssh_failure(f"{failure.said}\n{failure.around}")
        given = [drv for drv, to in failure.log.machines.items() if to == store]
        if builder and why and (given or why.may_pass):
            return FailedBuilder(builder, given[-1] if given else "", why)
    return None


def _of(store: str, builders: Sequence[RemoteBuilder]) -> RemoteBuilder | None:
    return next((each for each in builders if store in each.stores), None)
