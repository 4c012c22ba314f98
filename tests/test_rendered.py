"""Whatever repeats the declaration of inputs is what `./dev render` writes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from flakeship.render import ACTION_IMAGE, rendered
from flakeship.settings import OUTPUTS, inputs

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", sorted(rendered()))
def test_a_rendered_file_is_up_to_date(name: str) -> None:
    text = (ROOT / name).read_text()
    image = yaml.safe_load(text)["runs"]["image"] if name == "action.yml" else ACTION_IMAGE
    assert text == rendered(image=image)[name], f"{name} is out of date: run `./dev render`"
    assert image == ACTION_IMAGE or image.startswith("docker://")
    assert image == ACTION_IMAGE or "@sha256:" in image


def test_the_action_declares_every_input_and_output() -> None:
    action = yaml.safe_load(rendered()["action.yml"])
    assert list(action["inputs"]) == [item.name for item in inputs() if "publish" in item.commands]
    assert list(action["outputs"]) == [item.name for item in OUTPUTS]
    assert action["inputs"]["github-token"]["default"] == "${{ github.token }}"
    assert all(entry["description"] for entry in action["inputs"].values())


def test_the_native_action_hands_over_every_input_and_output() -> None:
    action = yaml.safe_load(rendered()["native/action.yml"])
    docker = yaml.safe_load(rendered()["action.yml"])
    assert action["inputs"] == docker["inputs"]
    (step,) = action["runs"]["steps"]
    assert set(step["env"].values()) == {f"${{{{ inputs.{name} }}}}" for name in action["inputs"]}
    assert all(name.removeprefix("INPUT_").replace("_", "").isalnum() for name in step["env"])
    assert {name: entry["value"] for name, entry in action["outputs"].items()} == {
        item.name: f"${{{{ steps.{step['id']}.outputs.{item.name} }}}}" for item in OUTPUTS
    }
    assert (
        ROOT / "native" / step["run"].strip('"').removeprefix("$GITHUB_ACTION_PATH/")
    ).stat().st_mode & 0o111
