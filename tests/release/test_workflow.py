"""What the workflow runs are steps that exist, in an order in which the names that people use come last."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from release import ROOT
from release.__main__ import STEPS, TESTED_BY, _parser

WORKFLOWS = ROOT / ".github/workflows"
JOBS: dict[str, dict[str, Any]] = yaml.safe_load((WORKFLOWS / "release.yml").read_text())["jobs"]
GITLAB = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text())
RUN = re.compile(r"\./dev release (.*)")


def before(job: str) -> set[str]:
    """Every job that must have succeeded before this one."""
    needs = JOBS[job].get("needs", [])
    direct = {needs} if isinstance(needs, str) else set(needs)
    return direct.union(*map(before, direct))


def commands() -> list[tuple[str, list[str]]]:
    return [
        (job, shlex.split(found[1].replace("$VERSION", "1.2.3").replace("$DIGEST", "sha256:0")))
        for job, described in JOBS.items()
        for step in described["steps"]
        for found in RUN.finditer(step.get("run", ""))
    ]


def test_every_step_is_run_as_it_wants_to_be() -> None:
    run = [_parser().parse_args(arguments) for _, arguments in commands()]
    assert [given.step for given in run] == [step for step in STEPS if step.__name__ != "prepare"]
    assert run[0].tested, "green tests are no choice"
    assert {given.version for given in run} == {"1.2.3"}


def test_names_that_people_use_come_last() -> None:
    assert before("build") == {"check"}
    assert before("publish") >= {"check", "image", "assemble", "pypi"}
    assert before("component") >= {"publish"}
    assert before("major") == set(JOBS) - {"major"}
    for job in JOBS:
        for step in JOBS[job]["steps"]:
            if str(step.get("uses", "")).startswith("actions/checkout@"):
                assert "commit" in step["with"]["ref"], "every job has the commit that was checked"
                assert step["with"]["persist-credentials"] is False


def test_a_secret_that_nobody_has_set_is_named(tmp_path: Path) -> None:
    (script,) = (step["run"] for step in JOBS["component"]["steps"] if "KEY" in step.get("env", {}))
    environ = {"PATH": "/usr/bin:/bin", "KEY": "", "HOST": "", "RUNNER_TEMP": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-e", "-c", script], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout.startswith("::error::the environment `gitlab` has no secret GITLAB_DEPLOY_KEY")
    assert not list(tmp_path.iterdir())


def test_every_script_is_one_that_bash_understands() -> None:
    scripts = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]
    assert scripts
    for script in scripts:
        subprocess.run(["bash", "-n", "-c", script], check=True)


def test_no_job_is_skipped_when_the_image_is_there() -> None:
    """A job that is skipped skips all that need it, however far away: actions/runner#2205. Its steps are left out instead."""
    assert [job for job in JOBS if "if" in JOBS[job]] == ["check"]


def test_each_right_is_where_it_is_used() -> None:
    writes = {
        job: {right for right, level in JOBS[job]["permissions"].items() if level == "write"} for job in JOBS
    }
    assert writes == {
        "check": set(),
        "build": set(),
        "image": {"packages", "id-token", "attestations"},
        "assemble": {"id-token", "attestations"},
        "pypi": {"id-token"},
        "publish": {"contents"},
        "component": set(),
        "major": {"contents", "packages"},
    }
    assert {JOBS[job].get("environment") for job in JOBS} == {None, "pypi", "gitlab"}
    secrets = re.findall(r"secrets\.(\w+)", (WORKFLOWS / "release.yml").read_text())
    assert secrets == ["GITLAB_DEPLOY_KEY"]
    page = (ROOT / "docs/releasing.md").read_text()
    assert all(f"`{name}`" in page for name in ("pypi", "gitlab", "GITLAB_DEPLOY_KEY", "release.yml"))


@pytest.mark.parametrize("name", TESTED_BY)
def test_what_a_commit_must_have_passed_runs_for_every_push_to_main(name: str) -> None:
    events = yaml.safe_load((WORKFLOWS / name).read_text())[True]
    assert events["push"] == {"branches": ["main"]}


def test_gitlab_releases_the_component_of_a_version_and_nothing_else() -> None:
    """Without a `v`, as the catalog wants it, after the tests of the same files, by the keyword: not by its API."""
    job = GITLAB["release"]
    assert job["release"]["tag_name"] == "$CI_COMMIT_TAG"
    assert set(job["needs"]) == {"test", "check"}
    pattern = re.fullmatch(r"\$CI_COMMIT_TAG =~ /(.*)/", job["rules"][0]["if"])
    assert pattern
    assert len(job["rules"]) == 1
    assert re.search(pattern[1], "1.0.0")
    assert not any(re.search(pattern[1], tag) for tag in ("v1.0.0", "v1", "1.0", "1.0.0-rc1", "x1.0.0"))
    assert (ROOT / "templates/flakeship.yml").is_file(), "flakeship/flakeship/flakeship is this file"


def test_no_host_of_a_package_index_is_named() -> None:
    """The ordinary clients know theirs, which may be a mirror."""
    texts = [
        path.read_text() for path in [*ROOT.glob("release/*.py"), WORKFLOWS / "release.yml", ROOT / "dev"]
    ]
    assert not [text for text in texts if re.search(r"\bpypi\.(org|io)|pythonhosted", text)]
