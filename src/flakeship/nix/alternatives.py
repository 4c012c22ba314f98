"""The packages of a flake, to be named in the error about an attribute that the flake does not have."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Final

from flakeship.errors import BuildError
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable

_SHOWN: Final = 12
# `nix flake show` fails at the first package that does not evaluate, and tryEval skips it. The expression asks only
# whether attributes exist, so that no derivation is instantiated.
_KINDS: Final = """packages: builtins.mapAttrs
  (name: package:
    let image = builtins.tryEval (package ? imageName || package.isExe or false);
    in image.success && image.value)
  (packages.%s or { })"""


def packages_of(nix: Nix, installable: Installable, *, system: str = "") -> Mapping[str, bool]:
    """Return the names of the flake's packages for `system`, each with True if the package looks like an image.

    `system` is this machine's if empty. The result is empty if the flake does not evaluate.
    """
    uncached = nix.with_options(
        [("eval-cache", "false")]
    )  # Nix 2.8 caches a package that does not evaluate as something that is not a derivation
    try:
        system = system or nix.query("eval", "--impure", "--json", "--expr", "builtins.currentSystem")
        question = ("--json", "--apply", _KINDS % system, "--", f"{installable.flake}#packages")
        answer = uncached.query("eval", *question, cwd=installable.cwd)
    except BuildError:
        return {}
    return {str(name): bool(image) for name, image in answer.items()}


def packages_hint(known: Mapping[str, bool], *, wanted: str) -> str:
    """Return a hint with the name most like `wanted`, the images, and the other packages."""
    if not known:
        return "`nix flake show` lists what it has"
    name = wanted.rpartition(".")[2]
    near = difflib.get_close_matches(name, known, n=1)
    images = [package for package, image in known.items() if image]
    others = [package for package, image in known.items() if not image]
    return "; ".join(
        filter(
            None,
            (
                f"did you mean `{near[0]}`?" if near else "",
                f"its images: {_some(images)}" if images else "",
                f"its {'other ' if images else ''}packages: {_some(others)}" if others else "",
            ),
        )
    ).replace("?;", "?")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
