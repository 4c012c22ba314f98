"""The command `completion`: what a shell needs to complete the commands, options and choices of flakeship."""

from __future__ import annotations

from flakeship.commands.runtime import Runtime
from flakeship.settings.completion import COMPLETIONS
from flakeship.settings.declaration import Settings


def run(settings: Settings, _runtime: Runtime) -> str:
    """Print the script for one shell: `source <(flakeship completion bash)`."""
    return COMPLETIONS[settings.shell]().rstrip("\n")
