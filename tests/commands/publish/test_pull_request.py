"""`pr-comment: true`, and what else a run tells of changes: at a registry in memory, and at what stands in for GitHub's API."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias, cast

import pytest

from flakeship import cli
from flakeship.commands.publish.pull_request import titles_of
from tests.commands.publish.test_metadata_document import validator
from tests.metadata import events
from tests.testbed.github_comments import TOKEN, CommentApi, api
from tests.testbed.registry_memory import MemoryRegistry, registry
from tests.testbed.store_images import image_folder, paths_of

pytestmark = pytest.mark.slow

__all__ = ["api", "registry"]

BASE = [["busybox-1.36"], ["openssl-3.0.8"], ["app-1.0"]]
CHANGED = [["busybox-1.36"], ["openssl-3.0.14"], ["app-1.1"], ["curl-8.5.0"]]
Ship: TypeAlias = Callable[..., str]


@pytest.fixture
def image(registry: MemoryRegistry) -> str:
    return f"{registry.host}/{registry.new_repository()}"


@pytest.fixture
def ship(
    image: str,
    api: CommentApi,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Ship:
    """`ship(layers, event, …)` publishes such an image in a run of that event, and returns the log."""
    monkeypatch.chdir(tmp_path)
    count = iter(range(100))

    def run(layers: list[list[str]], event: str, *flags: str, code: int = 0, **more: str) -> str:
        folder = image_folder(tmp_path / f"image{next(count)}", *(paths_of(*names) for names in layers), **_runtime(layers))  # fmt: skip
        given = events.github(event, tmp_path) | {
            "GITHUB_API_URL": api.url,
            "GITHUB_WORKFLOW": "image",
            "GITHUB_RUN_ID": "7",
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
            "FLAKESHIP_GITHUB_TOKEN": TOKEN,
            "FLAKESHIP_PR_COMMENT": "true",
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            **more,
        }
        monkeypatch.setattr(os, "environ", given)
        argv = ["publish", "--source", str(folder), "--images", image, *flags]
        assert cli.main(argv) == code
        return capfd.readouterr().err

    return run


def _runtime(layers: list[list[str]]) -> dict[str, Any]:
    return {"runtime": {"Cmd": [f"{paths_of(layers[-1][0])[0]}/bin/app"]}}


def test_one_comment_is_kept_up_to_date(ship: Ship, api: CommentApi, image: str) -> None:
    for number in range(150):
        api.add(7, f"a word of somebody, {number}")
    ship(BASE, "branch main")
    assert not api.asked, "a run for no pull request has nothing to comment on"
    first = ship(CHANGED, "pr 7 to main")
    assert "a comment on pull request 7 says what changed in" in first
    (body,) = [text for text in api.bodies(7) if "flakeship" in text]
    assert body.splitlines()[0] == f"<!-- flakeship: image {image} . -->"
    assert "**Since <code>" in body
    assert "packages&#58; 2 changed, 1 added; layers&#58; 3 new" in body
    assert "  openssl  3.0.8 → 3.0.14" in body
    assert "+ curl  8.5.0" in body
    assert "/actions/runs/7)" in body

    again = ship(CHANGED, "pr 7 to main")
    assert "was brought up to date" in again
    second = ship(BASE, "pr 7 to main")
    assert "was brought up to date" in second
    (body,) = [text for text in api.bodies(7) if "flakeship" in text]
    assert (
        "no difference but in annotations, dates, or labels that begin with org.opencontainers.image" in body
    )
    assert [method for method, _ in api.asked] == [
        "GET",
        "GET",
        "POST",
        "GET",
        "GET",
        "GET",
        "GET",
        "PATCH",
    ], "what says the same is left alone"
    assert len(api.bodies(7)) == 151


def test_a_pull_request_that_is_not_pushed_is_compared_with_its_target(
    ship: Ship, api: CommentApi, registry: MemoryRegistry, image: str
) -> None:
    ship(BASE, "branch main", "--pr-comment", "false")
    ship(CHANGED, "pr 8 to main", "--push", "false")
    (body,) = api.bodies(8)
    assert "NOT PUSHED&#58; &#96;push&#96; is false" in body
    assert "openssl  3.0.8 → 3.0.14" in body
    assert registry.tags(image.partition("/")[2]) == ["main"]


def test_nothing_to_compare_with_is_said(ship: Ship, api: CommentApi) -> None:
    ship(CHANGED, "pr 9 to main")
    (body,) = api.bodies(9)
    assert "There is no earlier image to compare it with" in body


@pytest.mark.parametrize("spoilt", [b'{"broken', b'{"schemaVersion": 2, "manifests": []}'])
def test_an_image_that_can_not_be_read_is_not_called_missing(
    spoilt: bytes, *, ship: Ship, api: CommentApi, registry: MemoryRegistry, image: str
) -> None:
    ship(BASE, "branch main", "--pr-comment", "false")
    name = image.partition("/")[2]
    registry.manifests[name, "main"] = (registry.manifests[name, "main"][0], spoilt)
    ship(CHANGED, "pr 9 to main", "--push", "false")
    (body,) = api.bodies(9)
    assert "nor this pull request has one for the same platforms that can be read" in body


@pytest.mark.parametrize(
    ("more", "association"),
    [
        ({"GITHUB_API_URL": "{url}/api/v3", "GITHUB_SERVER_URL": "https://ghe.example"}, {"author_association": "NONE"}),
        ({"GITHUB_API_URL": "{url}/api/v1/", "FORGEJO_ACTIONS": "true", "GITEA_ACTIONS": "true"}, {"user": {"login": "forgejo-actions"}}),
    ],
)  # fmt: skip
def test_other_servers_with_the_same_api(
    more: dict[str, str], association: dict[str, Any], *, ship: Ship, api: CommentApi, image: str
) -> None:
    """By the address that the runner sets; Forgejo's comments name no association."""
    own = api.add(7, f"<!-- flakeship: image {image} . -->\nold", **association)
    if "user" in association:
        del own["author_association"]
    ship(BASE, "pr 7 to main", **{key: text.format(url=api.url) for key, text in more.items()})
    (body,) = api.bodies(7)
    assert "There is no earlier image" in body
    assert {path.partition("/repos/")[0] for _, path in api.asked} <= {"/api/v3", "/api/v1"}


def test_each_image_and_each_workflow_has_a_comment_of_its_own(ship: Ship, api: CommentApi) -> None:
    ship(BASE, "pr 7 to main", GITHUB_WORKFLOW="one -->")
    ship(BASE, "pr 7 to main", GITHUB_WORKFLOW="two")
    heads = [text.splitlines()[0] for text in api.bodies(7)]
    assert [head.split()[2] for head in heads] == ["one%20--%3E", "two"]


def test_two_images_of_one_repository_have_a_comment_each(ship: Ship, api: CommentApi, image: str) -> None:
    """Each is compared with what the target branch calls it, and not with the other."""
    for event in ("branch main", "pr 7 to main", "pr 7 to main"):
        for name, layers in (("app", BASE), ("worker", CHANGED)):
            changed = layers if event == "branch main" else [*layers, [f"new-in-{name}-1"]]
            rules = f"type=ref,event=branch,prefix={name}-", f"type=ref,event=pr,prefix={name}-pr-"
            ship(changed, event, *(word for rule in rules for word in ("--tags", rule)))
    app, worker = api.bodies(7)
    assert "app-main" in app
    assert "+ new-in-app  1" in app
    assert "1 added" in app
    assert "worker-main" in worker
    assert "+ new-in-worker  1" in worker
    assert "1 added" in worker


def test_images_of_one_repository_are_told_apart_by_their_attributes() -> None:
    one, other = (SimpleNamespace(published=[SimpleNamespace(destination=name, in_registry=True)]) for name in ("h.example/n", "h.example/m"))  # fmt: skip
    nowhere = SimpleNamespace(published=[])
    made = cast("dict[str, Any]", {"app": one, "worker": one, "docs": other, "none": nowhere})
    assert titles_of(made) == {
        "app": "h.example/n (app)",
        "worker": "h.example/n (worker)",
        "docs": "h.example/m",
        "none": "none",
    }


def test_a_comment_of_a_stranger_is_left_alone(ship: Ship, api: CommentApi, image: str) -> None:
    bait = f"<!-- flakeship: image {image} . -->\nall is well"
    stranger: dict[str, Any] = {"user": {"login": "eve", "type": "User"}, "author_association": "CONTRIBUTOR"}
    api.add(7, bait, **stranger)
    ship(BASE, "pr 7 to main")
    assert api.bodies(7)[0] == bait
    assert len(api.bodies(7)) == 2


def test_what_an_image_holds_is_no_markup(ship: Ship, api: CommentApi) -> None:
    ship(BASE, "branch main")
    ship(BASE, "pr 7 to main", "--labels", f"x=```\n</details><img src=x> @everyone\ny=before-{TOKEN}")
    (body,) = api.bodies(7)
    block = body.partition("````diff\n")[2].partition("\n````")[0]
    assert "</details><img src: x> @everyone" in block
    assert "@everyone" not in body.replace(block, "")
    assert "y: before-***" in block
    assert TOKEN not in body


@pytest.mark.parametrize(
    ("event", "more", "api_says", "line"),
    [
        ("branch main", {}, {}, "note: FLAKESHIP_PR_COMMENT: no comment is written: this run is not for a pull request, but for the event push"),
        ("pr 7 to main", {"FLAKESHIP_GITHUB_TOKEN": ""}, {}, "note: FLAKESHIP_PR_COMMENT: no comment is written: there is no token; set `github-token: ${{ github.token }}`"),
        ("pr 7 to main", {"FLAKESHIP_GITHUB_TOKEN": "wrong"}, {}, "the API answered 401 to list the comments: Bad credentials"),
        ("pr 7 to main", {}, {"may_write": False}, "the API answered 403 to write a comment: Resource not accessible by integration"),
        ("pr 7 to main", {}, {"answers": {"GET": (200, {"a": 1})}}, "the API answered 200 to list the comments: what came is not a list"),
        ("pr 7 to main", {}, {"answers": {"POST": (500, None)}}, "the API answered 500 to write a comment"),
        ("pr 7 to main", {}, {"answers": {"GET": (403, {"message": "You have exceeded a secondary rate limit"})}}, "the token has asked too often"),
        ("pr 7 to main", {"FLAKESHIP_DRY_RUN": "true"}, {}, "note: FLAKESHIP_PR_COMMENT: no comment is written: FLAKESHIP_DRY_RUN sends nothing"),
        ("pr 7 to main", {"GITHUB_API_URL": "http://ghe.example/api/v3"}, {}, "http://ghe.example would get the token without TLS"),
        ("pr 7 to main", {"GITHUB_API_URL": "http://127.0.0.1:1"}, {}, "no comment is written: "),
    ],
)  # fmt: skip
def test_a_comment_that_can_not_be_written_fails_nothing(
    event: str, more: dict[str, str], api_says: dict[str, Any], line: str, *, ship: Ship, api: CommentApi
) -> None:
    for name, value in api_says.items():
        setattr(api, name, value)
    log = ship(BASE, event, **more)
    assert line in log
    assert ("add `pull-requests: write` to `permissions` of the job" in log) == (not api.may_write)
    assert TOKEN not in log.replace(f"::add-mask::{TOKEN}\n", "")
    assert not api.bodies(7)


def test_a_fork_is_told_and_not_failed(ship: Ship, api: CommentApi, tmp_path: Path) -> None:
    api.may_write = False
    event = events.github("pr 7 to main", tmp_path)["GITHUB_EVENT_PATH"]
    payload = json.loads(Path(event).read_text())
    payload["pull_request"]["head"]["repo"] = {"full_name": "eve/app"}
    fork = tmp_path / "fork.json"
    fork.write_text(json.dumps(payload))
    log = ship(BASE, "pr 7 to main", GITHUB_EVENT_PATH=str(fork))
    assert "a pull request from a fork gets a token that may only read" in log
    assert "warning: FLAKESHIP_PR_COMMENT" not in log


def test_on_another_platform_no_comment_is_written(ship: Ship, api: CommentApi, tmp_path: Path) -> None:
    log = ship(
        BASE, "branch main", "--tags", "1", GITHUB_ACTIONS="", GITLAB_CI="true", CI_COMMIT_BRANCH="main"
    )
    assert "only GitHub and Forgejo have such comments" in log
    assert not api.asked


def test_a_run_tells_what_changed_since_the_last_image_of_its_tag(
    ship: Ship, registry: MemoryRegistry, image: str, tmp_path: Path
) -> None:
    plain = ("--tags", "1", "--pr-comment", "false", "--metadata-file", "result.json")
    first = ship(BASE, "branch main", *plain)
    assert "since " not in first
    assert "flakeship.difference" not in json.loads((tmp_path / "result.json").read_text())
    output = tmp_path / "output"
    many = [*CHANGED, *([f"package{number}-1"] for number in range(20))]
    log = ship(many, "branch main", *plain, SHIPPED_FOLDER=str(tmp_path), GITHUB_OUTPUT=str(output))
    told = log[log.index(f"since {image}:1: ") :].splitlines()
    assert "packages: 2 changed, 21 added; layers: 23 new (" in told[0]
    assert len(told[:11]) == 11
    assert "more, which the metadata file has" in told[10]
    assert (
        f"**Since <code>{image.replace(':', '&#58;')}&#58;1</code>**" in (tmp_path / "summary.md").read_text()
    )
    whole = json.loads((tmp_path / "result.json").read_text())
    validator().validate(whole)
    document = whole["flakeship.difference"]
    assert document["since"] == f"{image}:1"
    assert document["platforms"][0]["counts"]["added"] == 21
    assert "flakeship.difference" not in output.read_text()
    metrics = (tmp_path / "metrics.txt").read_text().splitlines()
    assert {
        "flakeship_packages_changed 2",
        "flakeship_packages_added 21",
        "flakeship_packages_removed 0",
    } <= {*metrics}
    again = ship(many, "branch main", *plain)
    assert "since " not in again, "nothing changed"
