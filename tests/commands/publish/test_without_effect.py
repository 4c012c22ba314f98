"""An input that has no effect without another is told before anything is built, and fails nothing."""

from __future__ import annotations

from typing import Any

import pytest

from flakeship import events
from flakeship.commands.publish.without_effect import warn_of_no_effect
from flakeship.settings.declaration import Settings


@pytest.mark.parametrize(
    ("alone", "needed"),
    [
        ({"nix_cache_key": "a:b"}, {"nix_cache": "registry"}),
        ({"cachix_auth_token": "x"}, {"cachix": "harbour"}),
        ({"cachix_signing_key": "x"}, {"cachix": "harbour"}),
        ({"debug_shell": "nixpkgs#bash"}, {"debug": True}),
        ({"reuse_from": ("main",), "reuse": "off"}, {"reuse": "trust"}),
    ],
)
def test_an_input_without_the_one_that_it_belongs_to(alone: dict[str, Any], needed: dict[str, Any]) -> None:
    told: list[events.Event] = []
    warn_of_no_effect(Settings(**alone), told.append)
    (warned,) = told
    assert isinstance(warned, events.Warned)
    given, other = (next(iter(each)).replace("_", "-") for each in (alone, needed))
    assert warned.text == f"`{given}` is given, and has no effect without `{other}`"
    told.clear()
    warn_of_no_effect(Settings(**alone | needed), told.append)
    warn_of_no_effect(Settings(), told.append)
    assert told == []
