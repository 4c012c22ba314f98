"""The pipelines that stand in docs/gitlab.md, each by the heading above it and its number there."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_PARTS: Final = re.compile(r"^## ([^\n]+)$|^( *)```yaml\n(.*?)^\2```$", re.DOTALL | re.MULTILINE)


def _pipelines(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    heading = number = ""
    for part in _PARTS.finditer(text):
        if part[1]:
            heading, number = part[1], ""
            continue
        found[f"{heading}{number}"] = textwrap.dedent(part[3])
        number = f" {int(number or 1) + 1}"
    return found


PIPELINES: Final = _pipelines((ROOT / "docs" / "gitlab.md").read_text())
