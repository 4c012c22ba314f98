"""What a step of a GitHub workflow pushes, what it does not, and how the steps after it are told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flakeship.settings.declaration import OUTPUTS
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
    assert notice.data == "nothing is pushed: the pull request comes from them/app"
    assert done.outputs["pushed"] == "false"
    assert len(done.outputs["digest"].split()) == 2
    assert not done.outputs["tags"] + done.outputs["refs"]
    assert not [access for access in registry.accesses(repository) if access.method != "GET"]
    assert done.page.count("> nothing is pushed&#58; the pull request comes from them/app") == 2
    assert done.page.count("**Not pushed**") == 2

    done = step(folder, environ=pull_request(tmp_path, "me/app"), **given)
    assert done.outputs["pushed"] == "true"
    assert registry.tags(f"{repository}/b") == ["pr-7"]


def test_without_credentials_it_is_built_and_one_notice_says_so(
    step: RunStep, make_flake: Callable[..., Path], basic_registry: Registry
) -> None:
    name = f"{basic_registry.host}/{basic_registry.new_repository()}"
    done = step(make_flake(), flake=".#layered", tags=f"{name}:1\n{name}:2")
    assert done.code == 0, done.log.shown
    (notice,) = done.log.named("notice")
    assert notice.data.startswith(f"not pushed to {name}: ")
    assert notice.data.endswith("and there are no credentials")
    assert done.outputs["pushed"] == "false"
    assert done.outputs["digest"].startswith("sha256:")


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
    """`username` is there, and the secret empty: in the fork's own project too, where the event is to be trusted."""
    name = f"{basic_registry.host}/{basic_registry.new_repository()}"
    given = {"flake": ".#layered", "tags": f"{name}:1", "username": "me", "password": ""}
    for environ in (pull_request(tmp_path, "them/app"), {}):
        done = step(make_flake(f"app{len(environ)}"), environ=environ, **given)
        assert done.code == 0, done.log.shown
        assert len(done.log.named("notice")) == 1
        assert done.outputs["pushed"] == "false"
    asked = step(tmp_path / "app0", push="true", **given)
    assert asked.code == 2
    assert "password is missing" in asked.log.named("error")[0].data
