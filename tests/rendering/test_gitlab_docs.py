"""The pipelines in the docs are whole: GitLab's schema takes them, and the component has the inputs that they name."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rendering.gitlab_docs import KINDS, PIPELINES, ROOT, jobs_of, with_component

HEADER, JOBS = yaml.safe_load_all((ROOT / "templates" / "flakeship.yml").read_text())
DECLARED: dict[str, dict[str, Any]] = HEADER["spec"]["inputs"]
(JOB,) = JOBS.values()
MERGED: dict[str, dict[str, Any]] = next(yaml.safe_load_all((ROOT / "templates" / "merge.yml").read_text()))[
    "spec"
]["inputs"]

CHILDREN = {"With child pipelines 2", "With child pipelines 4"}
"""Pipelines that only another one starts."""


def test_there_are_pipelines() -> None:
    assert len(PIPELINES) > 16


@pytest.mark.parametrize("name", PIPELINES)
def test_inputs_are_declared(name: str) -> None:
    for entry in yaml.safe_load(PIPELINES[name]).get("include", []):
        for given, value in entry["inputs"].items():
            declared = (MERGED if "/merge@" in entry.get("component", "") else DECLARED)[given]
            kind = {"array": list, "boolean": bool, "number": int}.get(declared.get("type", ""), str)
            assert isinstance(value, kind), given
            assert value in declared.get("options", [value])


@pytest.mark.parametrize("name", PIPELINES)
def test_variables_of_the_job_are_those_of_inputs(name: str) -> None:
    """GitLab takes any variable, and the program refuses one of its own that it does not know."""
    known = {f"FLAKESHIP_{given.replace('-', '_').upper()}" for given in DECLARED}
    assert set(re.findall(r"^ +(FLAKESHIP_\w+):", PIPELINES[name], re.MULTILINE)) <= known


def test_the_job_is_in_every_pipeline_that_a_job_without_rules_is_in() -> None:
    """Each of these keywords would take it out of some, and a pipeline in which another job needs it would be invalid."""
    assert not {"rules", "only", "except", "when", "needs", "tags", "cache"} & JOB.keys()
    runner = {"interruptible", "retry", "tags", "timeout"}
    assert set(JOB["inherit"]["default"]) == runner


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PIPELINES)
def test_no_job_needs_one_that_is_not_in_the_pipeline(name: str, kind: str) -> None:
    """GitLab refuses such a pipeline as a whole."""
    jobs = jobs_of(with_component(name, JOB), KINDS[kind])
    needs = [need for job in jobs.values() for need in job.get("needs", [])]
    assert {need for need in needs if isinstance(need, str)} <= jobs.keys()
    assert {
        need["job"]
        for need in needs
        if not isinstance(need, str) and not need.keys() & {"optional", "pipeline"}
    } <= jobs.keys()


@pytest.mark.parametrize("name", sorted(PIPELINES.keys() - CHILDREN))
def test_a_push_starts_one_pipeline(name: str) -> None:
    """Where a merge request is open that of the branch or that of the merge request; else that of the branch."""
    pipeline = with_component(name, JOB)
    started = [
        jobs_of(pipeline, KINDS[f"a {kind}"]) for kind in ("branch with a merge request", "merge request")
    ]
    assert sum(map(bool, started)) == 1
    assert jobs_of(pipeline, KINDS["the default branch"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("workflow", [None, "Merge requests"])
def test_whatever_pipeline_a_job_of_a_user_is_in_ours_is_in_it_too(kind: str, workflow: str | None) -> None:
    pipeline = with_component("Minimal", JOB) | {"theirs": {"needs": ["flakeship"]}}
    if workflow:
        pipeline["workflow"] = yaml.safe_load(PIPELINES[workflow])["workflow"]
    jobs = jobs_of(pipeline, KINDS[kind])
    assert ("theirs" in jobs) is ("flakeship" in jobs)
    assert not workflow or jobs or kind == "a branch with a merge request"


@pytest.mark.slow
def test_every_pipeline_fits_gitlabs_schema(tmp_path: Path) -> None:
    files = []
    for number, block in enumerate(PIPELINES.values()):
        document = yaml.safe_load(block)
        job = document.get("flakeship", {})
        if "script" not in job:  # it is merged into the component's job
            document["flakeship"] = {"script": ["true"], **job}
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps(document))
    program = Path(sys.executable).with_name("check-jsonschema")
    checked = subprocess.run(
        [program, "--builtin-schema", "vendor.gitlab-ci", *files], capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stdout.decode()
