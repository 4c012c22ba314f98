"""Settings → the actions: one that runs our image, one for runners that have Nix already, one that only names things.

https://docs.github.com/actions/reference/metadata-syntax-for-github-actions
"""

from __future__ import annotations

from typing import Any

from flakeship import __doc__ as summary
from flakeship.settings.declaration import inputs
from flakeship.settings.fields import Input
from flakeship.settings.meant_by_merge import MEANT_BY_MERGE
from flakeship.settings.outputs import METADATA_OUTPUTS, OUTPUTS

_STEP = "publish"


def action(image: str) -> dict[str, Any]:
    """`image` is what it runs: the Dockerfile, or `docker://…@sha256:…`."""
    return {
        **_head(""),
        "outputs": {name: {"description": text} for name, text in OUTPUTS.items()},
        # Without it the runner would take our input `entrypoint`, which is the image's, for that of this container.
        # docs/decisions.md#the-action-names-its-own-entrypoint
        "runs": {"using": "docker", "image": image, "entrypoint": "/entrypoint", "args": ["publish"]},
    }


def native_action() -> dict[str, Any]:
    """A composite action is given no INPUT_*: each input is handed over by name, in a form that a shell lets pass."""
    step = {
        "id": _STEP,
        "shell": "sh",
        "env": {f"INPUT_{item.attribute.upper()}": f"${{{{ inputs.{item.name} }}}}" for item in _ours()},
        # In the shell's place: the runner cancels by a signal to this one process.
        "run": 'exec "$GITHUB_ACTION_PATH/run"',
    }
    return {
        **_head(" Uses the runner's own Nix"),
        "outputs": {
            name: {"description": text, "value": f"${{{{ steps.{_STEP}.outputs.{name} }}}}"}
            for name, text in OUTPUTS.items()
        },
        "runs": {"using": "composite", "steps": [step]},
    }


def metadata_action(image: str) -> dict[str, Any]:
    """In the place of docker/metadata-action. `image` is as for `action`, seen from this action's own folder."""
    run = {"using": "docker", "image": image if ":" in image else f"../{image}", "args": ["metadata"]}
    printed = ("json", "bake")
    asked = [item for item in inputs() if "metadata" in item.commands and item.name not in printed]
    return {
        "name": "flakeship metadata",
        "description": "Tags, labels and annotations by the rules of docker/metadata-action, and by what Nix knows.",
        "author": "The flakeship authors",
        "branding": {"icon": "tag", "color": "blue"},
        "inputs": {item.name: _input(item) for item in asked},
        "outputs": {name: {"description": text} for name, text in METADATA_OUTPUTS.items()},
        "runs": run,
    }


def merge_action(image: str) -> dict[str, Any]:
    """Joins what jobs with `push-by-digest` have pushed. `image` is as for `metadata_action`."""
    asked = [item for item in inputs() if "merge" in item.commands]
    return {
        "name": "flakeship merge",
        "description": "Joins the images of several platforms, each pushed by its digest, under one tag.",
        "author": "The flakeship authors",
        "branding": {"icon": "git-merge", "color": "blue"},
        "inputs": {item.name: _input(item) | _of_merge(item) for item in asked},
        "outputs": {name: {"description": text} for name, text in OUTPUTS.items()},
        "runs": {"using": "docker", "image": image if ":" in image else f"../{image}", "args": ["merge"]},
    }


def _of_merge(item: Input) -> dict[str, Any]:
    """What is another in the action `merge`: it can't do without these two."""
    required = {"required": True} if item.name in {"legs", "platforms"} else {}
    return {"description": MEANT_BY_MERGE.get(item.name, item.help), **required}


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
