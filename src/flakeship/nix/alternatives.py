"""What a flake offers, for an error about an attribute that it does not have."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Final

from flakeship.errors import BuildError
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable

_SHOWN: Final = 12
# `nix flake show` gives up at the first package that does not evaluate; tryEval passes it by. Only the
# attributes' presence is asked for, so that no package is instantiated.
_KINDS: Final = """packages: builtins.mapAttrs
  (name: package:
    let image = builtins.tryEval (package ? imageName || package.isExe or false);
    in image.success && image.value)
  (packages.%s or { })"""


def packages_of(nix: Nix, installable: Installable, *, system: str = "") -> Mapping[str, bool]:
    """Each package for the system, or this machine's, and whether it looks like an image; empty if the flake does not
    tell.
    """
    uncached = nix.with_options(
        [("eval-cache", "false")]
    )  # Nix 2.8 would remember what is broken as no derivation
    try:
        system = system or nix.query("eval", "--impure", "--json", "--expr", "builtins.currentSystem")
        question = ("--json", "--apply", _KINDS % system, "--", f"{installable.flake}#packages")
        answer = uncached.query("eval", *question, cwd=installable.cwd)
    except BuildError:
        return {}
    return {str(name): bool(image) for name, image in answer.items()}


def packages_hint(known: Mapping[str, bool], *, wanted: str) -> str:
    """The nearest name, the images, then the other packages."""
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
