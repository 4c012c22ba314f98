"""Run `nix build --rebuild`, which builds a second time and compares the bytes, and say what it can't compare."""

from __future__ import annotations

import re
from typing import Final

from flakeship.errors import BuildError, RejectedError
from flakeship.events import Emit
from flakeship.nix.build import BuildOutput, derivation_document, words_for
from flakeship.nix.command import Nix
from flakeship.nix.derivation import CHOOSES_OUTPUTS, Derivation
from flakeship.nix.explain import explain_failure
from flakeship.nix.failure import Failure
from flakeship.nix.installable import Installable
from flakeship.nix.log import Log

_DIFFERS: Final = re.compile(
    r"may not be deterministic(?:: output ['\"](?P<path>/nix/store/[^'\"]+)['\"] differs)?"
)
_INCOMPLETE: Final = re.compile(r"outputs of ['\"][^'\"]+['\"] are not valid, so checking is not possible")
_HINT: Final = (
    "look for dates, random numbers and the order of files in the build, or drop `rebuild: compare`"
)
_HINT_UNCHECKED: Final = (
    "drop `rebuild: compare`, or publish a package whose store path follows from its inputs"
)


def check_comparable(nix: Nix, drv_path: str, *, name: str) -> None:
    """RejectedError where a second build of this derivation would be compared with nothing.

    Nix gives a content-addressed output a path of its own for each content, and an impure one a new path each time, so
    it finds nothing there to compare: https://github.com/NixOS/nix/issues/11315. A fixed output has its hash for that.
    """
    try:
        outputs = derivation_document(nix, drv_path)["outputs"].values()
    except BuildError:  # evaluated and not written to the store: it is looked at after the build
        return
    if any(output.get("impure") for output in outputs):
        raise _unchecked(name, "it is impure, so each build may give something else")
    # docs/decisions.md#what-can-not-be-compared-is-an-error
    if any("hashAlgo" in output and "hash" not in output for output in outputs):
        raise _unchecked(name, "it is content-addressed, and Nix compares nothing of such a build")


def check_reproducible(
    nix: Nix,
    installable: Installable,
    output: BuildOutput,
    *,
    emit: Emit,
    described: Derivation | None = None,
) -> None:
    """Build `output` a second time. RejectedError if its bytes differ, or if nothing would be compared.

    If the build fails, the errors of a build.
    """
    if not output.drv_path:
        raise _unchecked(str(installable), "it is a path of the store that no build makes")
    check_comparable(nix, output.drv_path, name=output.drv_path)
    failure = _rebuild(nix, installable, words_for(nix, installable, described), emit)
    if failure and _INCOMPLETE.search(failure.text):
        # Nix compares all outputs or none, and a cache gave those alone that were asked for.
        everything = output.drv_path + ("^*" if nix.version >= CHOOSES_OUTPUTS else "")
        nix.run("build", "--no-link", "--", everything)
        failure = _rebuild(nix, installable, ("--", everything), emit)
    if failure is None:
        return
    if found := _DIFFERS.search(failure.text):
        raise _other_bytes(output, found["path"] or "", failure)
    raise explain_failure(failure)


def _rebuild(nix: Nix, installable: Installable, words: tuple[str, ...], emit: Emit) -> Failure | None:
    log = Log(emit)
    returncode, _ = nix.stream(
        "build",
        *("--rebuild", "--no-link", "--log-format", "internal-json", *words),
        on_stderr=log.take,
        cwd=installable.cwd,
    )
    return Failure(nix, installable, returncode, log) if returncode else None


def _other_bytes(output: BuildOutput, path: str, failure: Failure) -> RejectedError:
    """The error for a build that gave other bytes; Nix ends at the first output that differs, asked for or not."""
    other = path or output.out_path
    hint = (
        f"{_HINT}; for the difference run `nix build --rebuild --keep-failed '{output.drv_path}^*'`, "
        f"then `diffoscope {other} {other}.check`"
    )
    if path and path not in output.paths:
        return RejectedError(
            f"{output.drv_path} can't be checked: a second build gave other bytes than {path}, an output that "
            f"was not asked for, and Nix compares no further",
            hint=hint,
            detail=failure.end,
        )
    return RejectedError(
        f"{output.drv_path} is not reproducible: a second build gave other bytes than {other}",
        hint=hint,
        detail=failure.end,
    )


def _unchecked(name: str, why: str) -> RejectedError:
    return RejectedError(f"{name} can't be checked by a second build: {why}", hint=_HINT_UNCHECKED)
