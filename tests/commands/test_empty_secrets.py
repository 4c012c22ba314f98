"""A secret with a wrong name is empty: that is told before Nix asks for what the user believes to have given."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship.commands.empty_secrets import tell_of_empty_secrets
from flakeship.events import Event, Warned
from tests.commands.merge.scene import Jobs
from tests.settings.making import settings_of
from tests.sources.layouts import Layout
from tests.testbed.registry_memory import MemoryRegistry, basic_registry

__all__ = ["basic_registry"]


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"nix_config": ("access-tokens = github.com=",)}, "an empty token for github.com"),
        (
            {"nix_config": ("a = b\nextra-access-tokens = a.example=x gitlab.example=PAT:",)},
            "for gitlab.example",
        ),
        ({"nix_config": ("access-tokens = github.com=canary",)}, ""),
        ({"nix_config": ("access-tokens = github.com:canary canary",)}, ""),
        ({"nix_config": ("access-tokens = a.example=PAT:$TOKEN",)}, "for a.example is a variable's name"),
        ({"nix_config": ("access-tokens = a.example=${TOKEN}",)}, "for a.example is a variable's name"),
        ({"nix_config": ("access-tokens = a.example=$canary$",)}, ""),
        ({"ssh_known_hosts": ("h ssh-ed25519 AAAA",)}, "ssh-key is empty"),
        ({"ssh_known_hosts": ("h ssh-ed25519 AAAA",), "ssh_key": "key"}, ""),
        ({"ssh_known_hosts": ("h ssh-ed25519 AAAA",), "builders": ("b1; b2 - - 4",)}, "ssh-key is empty"),
        ({"ssh_known_hosts": ("h ssh-ed25519 AAAA",), "builders": ("b1; b2 - key",)}, ""),
        ({"ssh_known_hosts": ("h ssh-ed25519 AAAA",), "builders": ("@machines",)}, ""),
    ],
)
def test_an_empty_secret_is_told(inputs: dict[str, object], told: str) -> None:
    events: list[Event] = []
    tell_of_empty_secrets(settings_of(**inputs), {}, events.append)
    assert [isinstance(event, Warned) and told in event.text for event in events] == [True] * bool(told)
    assert "canary" not in str(events)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "`--username`"),
        ({"FLAKESHIP_USERNAME": "me", "FLAKESHIP_PASSWORD": "wrong"}, "FLAKESHIP_USERNAME"),
    ],
)
def test_in_a_workflow_the_name_of_the_secret_is_doubted_first(
    basic_registry: MemoryRegistry, tmp_path: Path, given: dict[str, str], name: str
) -> None:
    jobs = Jobs(basic_registry, tmp_path, basic_registry.new_repository())
    layout = Layout()
    layout.listing(layout.image("a")).folder(tmp_path / "layout")
    said = jobs.flakeship("publish", "--source", "layout", "--tags", f"{jobs.image}:1", **given)
    assert said.code == 5
    assert f"check the names of the secrets or variables behind {name} and" in said.log
    on_a_laptop = {**given, "GITHUB_ACTIONS": ""}
    said = jobs.flakeship("publish", "--source", "layout", "--tags", f"{jobs.image}:1", **on_a_laptop)
    assert "docker login" in said.log
