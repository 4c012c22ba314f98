"""Variables and expressions that were not filled in, or with nothing: no tag and no reference can hold what is left of them."""

from __future__ import annotations

import re
from typing import Final

_VARIABLE: Final = re.compile(r"\$\{?[A-Za-z_]\w*\}?|\$\([A-Za-z_][\w.]*\)|%[A-Za-z_]\w*%")
# Go's fmt and text/template, which act and GitLab's runner are written in, and JavaScript.
_NOTHING: Final = re.compile(r"%!\w\([^()]*\)|<nil>|<no value>|\[object \w+\]")


def unfilled(text: str) -> tuple[str, str]:
    """Return the part of a text that should have been filled in, and a hint; both are empty where nothing is left over."""
    if hit := _NOTHING.search(text):
        return hit[0], (
            "check the expression that gives the value, which was empty here: `github.event.number`, for example, "
            "is known for pull requests alone, for which `type=ref,event=pr` makes a tag"
        )
    if hit := _VARIABLE.search(text):
        return hit[0], (
            f"check how {hit[0]} is written, a variable that was not filled in: a shell does so outside of single quotes, GitLab where "
            "`expand` is not false, and on GitHub one writes ${{ env.NAME }}"
        )
    return "", ""
