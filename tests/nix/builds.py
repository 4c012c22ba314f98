"""Build with the real Nix and keep the events, for the tests of builds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flakeship.errors import BuildError, Error, ResourceError
from flakeship.events import BuildLog, Event, Warned
from flakeship.nix.build import BuildOutput, build
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable


def built(nix: Nix, folder: Path, text: str, **arguments: Any) -> tuple[BuildOutput, list[Event]]:
    events: list[Event] = []
    return build(nix, Installable.parse(text, cwd=folder), emit=events.append, **arguments), events


def logged(events: list[Event]) -> list[str]:
    return [event.line for event in events if isinstance(event, BuildLog)]


def failed(nix: Nix, folder: Path, text: str, **arguments: Any) -> Error:
    with pytest.raises((BuildError, ResourceError)) as caught:
        built(nix, folder, text, **arguments)
    return caught.value


def warned(events: list[Event]) -> list[Warned]:
    return [event for event in events if isinstance(event, Warned)]
