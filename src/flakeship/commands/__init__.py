"""The story: each command, and the steps that the README tells. Settings are read here and nowhere below."""

from typing import Final

# docs/decisions.md#settings-are-read-only-in-the-story
COMMANDS: Final = {
    "publish": "flakeship.commands.publish.command",
    "plan": "flakeship.commands.plan.command",
    "cache": "flakeship.commands.cache.command",
    "completion": "flakeship.commands.completion",
    "doctor": "flakeship.commands.doctor",
    "inspect": "flakeship.commands.inspect",
    "diff": "flakeship.commands.diff.command",
    "why": "flakeship.commands.why.command",
    "layers": "flakeship.commands.layers",
    "merge": "flakeship.commands.merge.command",
    "metadata": "flakeship.commands.metadata",
    "sbom": "flakeship.commands.sbom.command",
    "verify": "flakeship.commands.verify.command",
}
"""The module of each command. Its `run(settings, runtime)` returns the text to print on stdout."""

PUBLISHING: Final = frozenset({"publish", "merge"})
"""Commands that give images their names: their end, also before its time, tells which names are set."""
