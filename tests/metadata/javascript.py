"""Asks Node, which comes with .venv, what JavaScript itself makes of something."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_NODE = Path(sys.prefix) / "bin" / "node"


def answers(function: str, cases: Sequence[Any]) -> list[Any]:
    """The result of a function, written in JavaScript, for the arguments of each case."""
    program = (
        f"const f = {function};"
        "const cases = JSON.parse(require('fs').readFileSync(0));"
        "console.log(JSON.stringify(cases.map(each => f(...each))))"
    )
    done = subprocess.run(
        [_NODE, "-e", program], input=json.dumps(cases), capture_output=True, text=True, check=True
    )
    found: list[Any] = json.loads(done.stdout)
    return found
