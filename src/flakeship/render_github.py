"""Settings → the two actions: one that runs our image, one for runners that have Nix already.

https://docs.github.com/actions/reference/metadata-syntax-for-github-actions
"""

from __future__ import annotations

from typing import Any

from flakeship import __doc__ as summary
from flakeship.inputs import Input
from flakeship.settings import OUTPUTS, inputs

_STEP = "publish"


def action(image: str) -> dict[str, Any]:
    """`image` is what it runs: the Dockerfile, or `docker://…@sha256:…`."""
    return {
        **_head(""),
        "outputs": {item.name: {"description": item.help} for item in OUTPUTS},
        "runs": {"using": "docker", "image": image},
    }


def native_action() -> dict[str, Any]:
    """A composite action is given no INPUT_*: each input is handed over by name, in a form that a shell lets pass."""
    step = {
        "id": _STEP,
        "shell": "sh",
        "env": {f"INPUT_{item.attribute.upper()}": f"${{{{ inputs.{item.name} }}}}" for item in _ours()},
        "run": '"$GITHUB_ACTION_PATH/run"',
    }
    return {
        **_head(" Uses the runner's own Nix"),
        "outputs": {
            item.name: {"description": item.help, "value": f"${{{{ steps.{_STEP}.outputs.{item.name} }}}}"}
            for item in OUTPUTS
        },
        "runs": {"using": "composite", "steps": [step]},
    }


def _head(more: str) -> dict[str, Any]:
    return {
        "name": "flakeship" if not more else "flakeship with the runner's Nix",
        "description": f"{summary}{more}",
        "author": "The flakeship authors",
        "branding": {"icon": "package", "color": "blue"},
        "inputs": {item.name: _input(item) for item in _ours()},
    }


def _ours() -> list[Input]:
    return [item for item in inputs() if "publish" in item.commands]


def _input(item: Input) -> dict[str, Any]:
    described = {"description": item.help, "required": False}
    default = item.per_platform.get("github", item.default)
    return described | ({"default": default} if default else {})
