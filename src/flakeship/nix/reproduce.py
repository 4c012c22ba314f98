"""Run `nix build --rebuild`, which builds a second time and compares the bytes."""

from __future__ import annotations

from flakeship.errors import RejectedError
from flakeship.events import Emit
from flakeship.nix.build import BuildOutput, words_for
from flakeship.nix.command import Nix
from flakeship.nix.explain import explain_failure
from flakeship.nix.failure import Failure
from flakeship.nix.installable import Installable
from flakeship.nix.log import Log

_DIFFERS = "may not be deterministic"


def check_reproducible(nix: Nix, installable: Installable, output: BuildOutput, *, emit: Emit) -> None:
    """Build `output` a second time. RejectedError if its bytes differ; if the build fails, the errors of a build."""
    log = Log(emit)
    returncode, _ = nix.stream(
        "build",
        *("--rebuild", "--no-link", "--log-format", "internal-json", *words_for(nix, installable)),
        on_stderr=log.take,
        cwd=installable.cwd,
    )
    if returncode == 0:
        return
    failure = Failure(nix, installable, returncode, log)
    if _DIFFERS in failure.text:
        raise RejectedError(
            f"{output.drv_path} is not reproducible: a second build made other bytes than {output.out_path}",
            hint="look for dates, random numbers and the order of files in the build, or drop `verify: rebuild`",
            detail=failure.end,
        )
    raise explain_failure(failure)
