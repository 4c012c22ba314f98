"""The output of `flakeship doctor`: a line for each check, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal, Self

from flakeship.printable import printable

_SIGNS: Final = {"ok": "ok  ", "warning": "warn", "error": "FAIL"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. `hint` says what to do, and is empty where all is well."""

    what: str
    state: Literal["ok", "warning", "error"]
    text: str
    hint: str = ""

    def spelled(self, as_given: Callable[[str], str]) -> Self:
        """Return it with the names of inputs as `as_given` writes them."""
        return replace(self, text=as_given(self.text), hint=as_given(self.hint))


def findings_text(findings: Sequence[Finding]) -> str:
    """Return one line for each finding, and a second where there is something to do."""
    width = max((len(finding.what) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{_SIGNS[finding.state]}  {finding.what:<{width}}  {printable(finding.text)}")
        if finding.hint:
            lines.append(f"      {'':<{width}}  -> {printable(finding.hint)}")
    return "\n".join(lines)


def findings_json(findings: Sequence[Finding]) -> str:
    """Return a JSON list of objects with `what`, `state` (ok, warning, error), `text` and `hint`."""
    return json.dumps([asdict(finding) for finding in findings], indent=2)
