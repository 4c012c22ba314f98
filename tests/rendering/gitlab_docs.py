"""The pipelines that stand in docs/gitlab.md, each by the heading above it and its number there; and which jobs GitLab makes of one.

gitlab-ci-local knows of no merge request and takes every job without rules into every pipeline.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
_PARTS: Final = re.compile(r"^## ([^\n]+)$|^( *)```yaml\n(.*?)^\2```$", re.DOTALL | re.MULTILINE)


def _pipelines(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    heading = number = ""
    for part in _PARTS.finditer(text):
        if part[1]:
            heading, number = part[1], ""
            continue
        found[f"{heading}{number}"] = textwrap.dedent(part[3])
        number = f" {int(number or 1) + 1}"
    return found


PIPELINES: Final = _pipelines((ROOT / "docs" / "gitlab.md").read_text())
MINIMAL: Final = PIPELINES["Minimal"]

ON_MAIN: Final = {"CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main"}
OPEN: Final = {"CI_DEFAULT_BRANCH": "main", "CI_OPEN_MERGE_REQUESTS": "harbour/app!7"}
KINDS: Final = {
    "the default branch": {**ON_MAIN, "CI_PIPELINE_SOURCE": "push"},
    "a branch": {**ON_MAIN, "CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "dev"},
    "a branch with a merge request": {**OPEN, "CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "dev"},
    "a merge request": {**OPEN, "CI_PIPELINE_SOURCE": "merge_request_event"},
    "a Git tag": {"CI_DEFAULT_BRANCH": "main", "CI_PIPELINE_SOURCE": "push", "CI_COMMIT_TAG": "1.2.0"},
    **{
        source: {**ON_MAIN, "CI_PIPELINE_SOURCE": source}
        for source in ("schedule", "web", "api", "trigger", "pipeline", "parent_pipeline")
    },
}
"""What a pipeline is started by, and the variables that tell it."""

_KEYWORDS: Final = {"include", "stages", "workflow", "default", "variables"}
_VARIABLE: Final = re.compile(r"\$(\w+)")


def with_component(name: str, job: Mapping[str, Any]) -> dict[str, Any]:
    """A pipeline of the page with the component's `job` in it; what is only added to that job stands beside the component."""
    document = dict(yaml.safe_load(PIPELINES[name]))
    alone = "flakeship" in document and "include" not in document
    for entry in document.get("include", yaml.safe_load(MINIMAL)["include"] if alone else []):
        called = entry["inputs"].get("job-name", "flakeship")
        document[called] = {**job, **document.get(called, {})}
    return document


def jobs_of(pipeline: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the jobs of the pipeline that GitLab makes; without jobs there is none.

    A job without rules is for branches and Git tags, unless the pipeline has rules: lib/gitlab/ci/config/entry/processable.rb.
    """
    workflow = pipeline.get("workflow", {}).get("rules")
    if workflow and not _matched(workflow, variables):
        return {}
    plain = bool(workflow or variables.get("CI_COMMIT_BRANCH") or variables.get("CI_COMMIT_TAG"))
    return {
        name: job
        for name, job in pipeline.items()
        if name not in _KEYWORDS and (_matched(job["rules"], variables) if "rules" in job else plain)
    }


def _matched(rules: list[dict[str, Any]], variables: Mapping[str, str]) -> bool:
    """The first rule that is true decides. Whatever files it asks for have changed."""
    for rule in rules:
        words = _VARIABLE.sub(r'given("\1")', rule.get("if", "True"))
        text = words.replace("&&", "and").replace("||", "or")
        if eval(text, {"given": lambda name: variables.get(name, "")}):
            return bool(rule.get("when") != "never")
    return False
