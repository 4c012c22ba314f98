"""A secret with a wrong name is empty: that is told before Nix asks for what the user believes to have given."""

from __future__ import annotations

import pytest

from flakeship.commands.empty_secrets import tell_of_empty_secrets
from flakeship.events import Event, Warned
from tests.settings.making import settings_of


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"nix_config": ("access-tokens = github.com=",)}, "an empty token for github.com"),
        (
            {"nix_config": ("a = b\nextra-access-tokens = a.example=x gitlab.example=PAT:",)},
            "for gitlab.example",
        ),
        ({"nix_config": ("access-tokens = github.com=canary",)}, ""),
        ({"ssh_known_hosts": ("h ssh-ed25519 AAAA",)}, "ssh-key is empty"),
        ({"ssh_known_hosts": ("h ssh-ed25519 AAAA",), "ssh_key": "key"}, ""),
    ],
)
def test_an_empty_secret_is_told(inputs: dict[str, object], told: str) -> None:
    events: list[Event] = []
    tell_of_empty_secrets(settings_of(**inputs), {}, events.append)
    assert [isinstance(event, Warned) and told in event.text for event in events] == [True] * bool(told)
    assert "canary" not in str(events)
