"""What a step of a GitHub workflow pushes, what it does not, and how the steps after it are told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flakeship.settings.outputs import OUTPUTS
from tests.e2e.conftest import RunStep
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow


def pull_request(folder: Path, head: str, *, event: str = "pull_request") -> dict[str, str]:
    """The environment of a run for a pull request that comes from the repository `head`."""
    path = folder / "event.json"
    base = {"ref": "main", "repo": {"full_name": "me/app"}}
    pull = {"number": 7, "base": base, "head": {"ref": "x", "repo": {"full_name": head}}}
    repository = {"full_name": "me/app", "default_branch": "main"}
    path.write_text(json.dumps({"number": 7, "pull_request": pull, "repository": repository}))
    return {
        "GITHUB_EVENT_NAME": event,
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_REPOSITORY": "me/app",
        "GITHUB_REF": "refs/pull/7/merge",
    }


def test_a_fork_is_built_and_checked_and_not_pushed_and_one_notice_says_so(
    step: RunStep, make_flake: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    """However many places there are: two repositories, two images."""
    folder, repository = make_flake(), registry.new_repository()
    name = f"{registry.host}/{repository}"
    given = {
        "flake": "a=.#layered\nb=.#hello",
        "images": f"a={name}/a\na={name}/a2\nb={name}/b",
        "username": "me",
        "password": "",  # secrets are not given to forks
    }
    done = step(folder, environ=pull_request(tmp_path, "them/app"), **given)
    assert done.code == 0, done.log.shown
    (notice,) = done.log.named("notice")
    assert notice.data == "NOT PUSHED: the pull request comes from them/app"
    assert done.outputs["pushed"] == "false"
    assert not done.outputs["tags"] + done.outputs["refs"] + done.outputs["digest"]
    assert not [access for access in registry.accesses(repository) if access.method != "GET"]
    assert done.page.count("> NOT PUSHED&#58; the pull request comes from them/app") == 2
    assert done.page.count("**Not pushed**") == 2

    done = step(folder, environ=pull_request(tmp_path, "me/app"), **given)
    assert done.outputs["pushed"] == "true"
    assert registry.tags(f"{repository}/b") == ["pr-7"]


def test_without_credentials_it_is_an_error_unless_dependabot_has_none(
    step: RunStep, make_flake: Callable[..., Path], basic_registry: Registry
) -> None:
    name = f"{basic_registry.host}/{basic_registry.new_repository()}"
    folder, given = make_flake(), {"flake": ".#layered", "tags": f"{name}:1\n{name}:2"}
    assert step(folder, **given).code == 5
    done = step(folder, environ={"GITHUB_ACTOR": "dependabot[bot]"}, **given)
    assert done.code == 0, done.log.shown
    (notice,) = done.log.named("notice")
    assert notice.data.startswith("NOT PUSHED: Dependabot started this run, and GitHub keeps")
    assert done.outputs["pushed"] == "false"
    assert not done.outputs["digest"]


def test_of_several_images_each_line_is_that_of_its_attribute(
    step: RunStep, make_flake: Callable[..., Path], basic_registry: Registry, registry: Registry
) -> None:
    """An image that is nowhere leaves its line empty, and `pushed` waits for all."""
    lacking = f"{basic_registry.host}/{basic_registry.new_repository()}"
    name = f"{registry.host}/{registry.new_repository()}"
    given = {"flake": "a=.#layered\nb=.#hello", "tags": f"a={lacking}:1\nb={name}:1"}
    done = step(make_flake(), environ={"GITHUB_ACTOR": "dependabot[bot]"}, **given)
    assert done.code == 0, done.log.shown
    first, second = done.outputs["digest"].split("\n")
    assert (first, done.outputs["refs"]) == ("", f"{name}@{second}")
    assert done.outputs["pushed"] == "false"
    assert [each["flakeship.pushed"] for each in json.loads(done.outputs["metadata"]).values()] == [
        False,
        True,
    ]
    (notice,) = done.log.named("notice")
    assert notice.data.startswith(f"NOT PUSHED to {lacking}: Dependabot")


def test_the_outputs_say_what_the_registry_holds(
    step: RunStep, make_flake: Callable[..., Path], registry: Registry
) -> None:
    repository = registry.new_repository()
    name = f"{registry.host}/{repository}"
    done = step(make_flake(), flake=".#layered", tags=f"{name}:1\n{name}:2", labels="a=b c\nd=")
    manifest = registry.manifest(repository, "2")
    assert manifest
    digest = registry.digest(repository, "1")
    labels = dict(line.split("=", 1) for line in done.outputs["labels"].splitlines())
    metadata = json.loads(done.outputs["metadata"])
    assert set(done.outputs) == set(OUTPUTS)
    assert done.outputs["digest"] == digest == metadata["containerimage.digest"]
    assert done.outputs["imageid"] == manifest["config"]["digest"] != digest
    assert done.outputs["refs"] == f"{name}@{digest}"
    assert done.outputs["tags"] == f"{name}:1\n{name}:2"
    assert labels == metadata["flakeship.labels"]
    assert (labels["a"], labels["d"]) == ("b c", "")
    assert list(json.loads(done.outputs["digests"]).values()) == [digest]
    assert done.outputs["pushed"] == "true"


def test_a_password_that_is_kept_from_a_fork_is_not_missed(
    step: RunStep, make_flake: Callable[..., Path], basic_registry: Registry, tmp_path: Path
) -> None:
    """`username` is there, and the secret empty. In the fork's own project the event is to be trusted: that is an error."""
    name = f"{basic_registry.host}/{basic_registry.new_repository()}"
    given = {"flake": ".#layered", "tags": f"{name}:1", "username": "me", "password": ""}
    folder = make_flake()
    done = step(folder, environ=pull_request(tmp_path, "them/app"), **given)
    assert done.code == 0, done.log.shown
    assert len(done.log.named("notice")) == 1
    assert done.outputs["pushed"] == "false"
    refused = step(folder, **given)
    assert refused.code == 5
    assert "`username` has no password" in refused.log.named("error")[0].data
    asked = step(folder, push="true", **given)
    assert asked.code == 2
    assert "`password` is missing" in asked.log.named("error")[0].data
