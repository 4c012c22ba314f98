"""What Nix would build for an installable, without building it: who has all in the store, or in a cache, needs no machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable

_HEADING: Final = re.compile(r"(?:this derivation|these \d+ derivations) will be built:")
_OTHER: Final = re.compile(r"(?:this|these) .*:$|don't know how to build")
_DRV: Final = re.compile(r"^\s*(/nix/store/\S+\.drv)$")


def to_build(nix: Nix, installables: Sequence[Installable], words: Sequence[str]) -> tuple[str, ...] | None:
    """Return the derivations that would be built, by their paths; None where Nix can't say, since the evaluation fails.

    `words` are the last arguments of the build. Nothing is built but what the evaluation itself needs, and no machine is asked.
    """
    done = nix.run("build", "--dry-run", "--no-link", *words, cwd=installables[0].cwd)
    return None if done.returncode else planned(done.stderr.decode(errors="replace"))


def planned(text: str) -> tuple[str, ...]:
    """The derivations of the paragraph `these 2 derivations will be built:`, in their order."""
    found: list[str] = []
    within = False
    for line in text.splitlines():
        if _HEADING.search(line):
            within = True
        elif _OTHER.search(line):
            within = False
        elif within and (drv := _DRV.match(line)):
            found.append(drv[1])
    return tuple(found)
