"""The lint rules. Each is a module that satisfies `LintRule`, listed in RULES."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Final, Protocol, cast

from flakeship.lint.finding import Finding
from flakeship.lint.view import ImageView

# docs/decisions.md#a-lint-rule-is-one-module
RULES: Final = (
    "flakeship.lint.rules.command",
    "flakeship.lint.rules.program",
    "flakeship.lint.rules.user",
    "flakeship.lint.rules.architecture",
    "flakeship.lint.rules.ca_bundle",
    "flakeship.lint.rules.tmp",
    "flakeship.lint.rules.layer_count",
    "flakeship.lint.rules.build_tools",
    "flakeship.lint.rules.created",
    "flakeship.lint.rules.zstd",
)
"""The modules of all rules, in the order in which their findings are shown."""


class LintRule(Protocol):
    """A module with one rule."""

    def findings(self, image: ImageView, /) -> Iterator[Finding]:
        """Yield what is wrong with the image; nothing if the rule can't know."""
        ...


def findings(image: ImageView) -> tuple[Finding, ...]:
    """Return the findings of all rules: warnings, then hints."""
    rules = (cast("LintRule", importlib.import_module(name)) for name in RULES)
    found = [finding for rule in rules for finding in rule.findings(image)]
    return tuple(sorted(found, key=lambda finding: finding.severity != "warning"))
