"""Workflows as readers copy them, cut out of the docs, and what a test must put in the place of hosted registries."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
GITHUB = (ROOT / "docs/github.md").read_text()
PLATFORMS = (ROOT / "docs/platforms.md").read_text()
BUILDERS = (ROOT / "docs/builders.md").read_text()
NO_CACHES = "substituters =\n"
"""A line for nix-config: the caches of Nix are out of reach."""


def shown(heading: str, page: str = GITHUB) -> str:
    """The workflow under a heading of docs/github.md, or behind other words of another page."""
    found = re.search(rf"{re.escape(heading)}\n.*?```yaml\n(.*?)```", page, re.DOTALL)
    assert found, heading
    return found[1]


def readme() -> str:
    """The workflow that the README begins with."""
    return shown("# flakeship", (ROOT / "README.md").read_text())


def loaded(text: str, images: str, **attributes: str) -> dict[str, Any]:
    """A workflow that pushes to `images`, and builds other attributes than the docs name: `image="layered"`."""
    text = text.replace("ghcr.io/${{ github.repository }}", images)
    for name, attribute in attributes.items():
        text = text.replace(f".#{name.replace('_', '-')}", f".#{attribute}")
    document: dict[Any, Any] = yaml.safe_load(text)
    document["on"] = document.pop(True)  # a truth value for YAML 1.1
    for job in document["jobs"].values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("flakeship/"):
                config = step["with"].get("nix-config", "")
                step["with"]["nix-config"] = f"{config}\n{NO_CACHES}"
    return document


def together(**documents: dict[str, Any]) -> dict[str, Any]:
    """One workflow, started by hand, with the jobs of all, for a run of act takes its time; each job by its document's name."""
    jobs: dict[str, Any] = {}
    for name, document in documents.items():
        text = json.dumps(document["jobs"])
        for job in document["jobs"]:
            text = text.replace(f"needs.{job}.", f"needs.{name}-{job}.")
            text = text.replace(f'"needs": "{job}"', f'"needs": "{name}-{job}"')
        jobs |= {f"{name}-{job}": content for job, content in json.loads(text).items()}
    return {"on": {"workflow_dispatch": {"inputs": {"digest": {"required": False}}}}, "jobs": jobs}
