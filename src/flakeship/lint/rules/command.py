"""The container has a program to start, and arguments of `docker run` reach it."""

from __future__ import annotations

from collections.abc import Iterator

from flakeship.lint.finding import Finding
from flakeship.lint.view import ImageView


def findings(image: ImageView) -> Iterator[Finding]:
    """Report a config with neither Entrypoint nor Cmd, and one whose Cmd is the program alone."""
    entrypoint, cmd = image.runtime.get("Entrypoint"), image.runtime.get("Cmd")
    if not entrypoint and not cmd:
        yield Finding(
            "command",
            "warning",
            "there is neither an Entrypoint nor a Cmd: nothing says what to run",
            'add `config.Entrypoint = [ "${pkgs.lib.getExe package}" ];` to the image',
        )
    elif not entrypoint and len(cmd or ()) == 1:
        yield Finding(
            "entrypoint",
            "hint",
            "there is a Cmd and no Entrypoint: arguments of `docker run` replace the program instead of reaching it",
            "write `config.Entrypoint` in place of `config.Cmd`, where arguments will be passed",
        )
