"""No run that pushed nothing looks like one that did: each platform, each reason, and every place where a result is told."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import pytest

from flakeship import cli
from tests.testbed.command import Ended
from tests.testbed.registry import PASSWORD, USERNAME, Registry

pytestmark = pytest.mark.slow

Outcome: TypeAlias = Literal["pushed", "notice", "warning", "refused"]
"""`notice` and `warning` are how a run says that it ended well without a push; `refused` is exit code 5."""

CI: Final = {"CI": "true"}
GITHUB: Final = {
    **CI,
    "GITHUB_ACTIONS": "true",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_REPOSITORY": "me/app",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_SHA": "a" * 40,
    "GITHUB_ACTOR": "me",
}
GITLAB: Final = {
    **CI,
    "GITLAB_CI": "true",
    "CI_PIPELINE_SOURCE": "push",
    "CI_COMMIT_SHA": "a" * 40,
    "CI_COMMIT_BRANCH": "main",
    "CI_COMMIT_REF_NAME": "main",
    "CI_COMMIT_REF_PROTECTED": "true",
    "CI_PROJECT_ID": "7",
}
PLATFORMS: Final[Mapping[str, Mapping[str, str]]] = {
    "local": {},
    "github": GITHUB,
    "forgejo": GITHUB | {"FORGEJO_ACTIONS": "true", "GITEA_ACTIONS": "true", "ACT": "true"},
    "gitlab": GITLAB,
    # says of every ref that it is not protected: https://github.com/firecow/gitlab-ci-local
    "gitlab-ci-local": GITLAB | {"GITLAB_CI": "false", "CI_COMMIT_REF_PROTECTED": "false"},
    "act": GITHUB | {"ACT": "true", "GITHUB_ACTOR": "nektos/act"},
}

LOGIN: Final = {"FLAKESHIP_USERNAME": USERNAME, "FLAKESHIP_PASSWORD": PASSWORD}
FORK: Final = {
    "GITHUB_EVENT_NAME": "pull_request",
    "GITHUB_REF": "refs/pull/7/merge",
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_MERGE_REQUEST_IID": "7",
    "CI_MERGE_REQUEST_PROJECT_ID": "7",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "8",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "them/app",
}
DEPENDABOT: Final = {"GITHUB_ACTOR": "dependabot[bot]"}
UNPROTECTED: Final = {"CI_COMMIT_REF_PROTECTED": "false"}
JOB_TOKEN: Final = {
    "FLAKESHIP_USERNAME": "me",
    "FLAKESHIP_PASSWORD": "weak",
    "FLAKESHIP_GITHUB_TOKEN": "weak",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """What is added to a platform's environment, and how a run ends then: everywhere, or where it is said by name."""

    environ: Mapping[str, str]
    everywhere: Outcome
    but: Mapping[str, Outcome]


ACTIONS: Final = ("github", "forgejo", "act")


def actions(outcome: Outcome) -> dict[str, Outcome]:
    return dict.fromkeys(ACTIONS, outcome)


SCENES: Final[Mapping[str, Scene]] = {
    "push": Scene(LOGIN, "pushed", {}),
    "push: true": Scene(LOGIN | {"FLAKESHIP_PUSH": "true"}, "pushed", {}),
    "dry-run": Scene(LOGIN | {"FLAKESHIP_DRY_RUN": "true"}, "warning", {}),
    "push: false": Scene(LOGIN | {"FLAKESHIP_PUSH": "false"}, "warning", {}),
    "push: false without credentials": Scene({"FLAKESHIP_PUSH": "false"}, "warning", {}),
    "fork without credentials": Scene(FORK, "refused", actions("notice") | {"gitlab": "notice"}),
    "fork with credentials": Scene(FORK | LOGIN, "refused", {"local": "pushed", "gitlab-ci-local": "pushed"}),
    "fork with the job's token": Scene(FORK | JOB_TOKEN, "refused", actions("notice") | {"gitlab": "notice"}),
    "fork that is trusted": Scene(FORK | LOGIN | {"FLAKESHIP_ALLOW_UNTRUSTED": "true"}, "pushed", {}),
    "fork that is trusted, without credentials": Scene(
        FORK | {"FLAKESHIP_ALLOW_UNTRUSTED": "true"}, "refused", actions("notice") | {"gitlab": "notice"}
    ),
    "fork, push: true": Scene(FORK | {"FLAKESHIP_PUSH": "true"}, "refused", {}),
    "fork, push: false": Scene(
        FORK | {"FLAKESHIP_PUSH": "false"}, "warning", actions("notice") | {"gitlab": "notice"}
    ),
    "Dependabot without credentials": Scene(DEPENDABOT, "refused", actions("notice")),
    "Dependabot with credentials": Scene(DEPENDABOT | LOGIN, "pushed", {}),
    "Dependabot with a token that may read": Scene(DEPENDABOT | JOB_TOKEN, "refused", actions("notice")),
    "Dependabot, push: true": Scene(DEPENDABOT | {"FLAKESHIP_PUSH": "true"}, "refused", {}),
    "unprotected ref": Scene(UNPROTECTED, "refused", {"gitlab": "warning"}),
    "unprotected ref with credentials": Scene(UNPROTECTED | LOGIN, "pushed", {}),
    "unprotected ref with wrong credentials": Scene(
        UNPROTECTED | LOGIN | {"FLAKESHIP_PASSWORD": "wrong"}, "refused", {}
    ),
    "unprotected ref, push: true": Scene(UNPROTECTED | {"FLAKESHIP_PUSH": "true"}, "refused", {}),
    "missing credentials": Scene({}, "refused", {}),
    "missing credentials, push: true": Scene({"FLAKESHIP_PUSH": "true"}, "refused", {}),
    "wrong credentials": Scene(LOGIN | {"FLAKESHIP_PASSWORD": "wrong"}, "refused", {}),
    "wrong credentials, push: true": Scene(
        LOGIN | {"FLAKESHIP_PASSWORD": "wrong", "FLAKESHIP_PUSH": "true"}, "refused", {}
    ),
}


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that a run told anybody; what a platform lacks is empty."""

    ended: Ended
    outputs: Mapping[str, str]
    page: str
    variables: Mapping[str, str]
    metrics: str
    metadata: Mapping[str, Any] | None


RunOn: TypeAlias = Callable[..., Told]


def read_outputs(path: Path) -> dict[str, str]:
    found, lines = {}, iter(path.read_text().splitlines())
    for line in lines:
        key, _, delimiter = line.partition("<<")
        value = []
        while (each := next(lines)) != delimiter:
            value.append(each)
        found[key] = "\n".join(value)
    return found


@pytest.fixture
def run_on(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> RunOn:
    """`run_on("github", ["--tags", …], FLAKESHIP_PUSH="false")`, in this process: a hundred starts would take minutes."""
    monkeypatch.chdir(tmp_path)

    def run(platform: str, flags: list[str], **environ: str) -> Told:
        github, gitlab = tmp_path / "outputs", tmp_path / "report"
        page, metadata = tmp_path / "page.md", tmp_path / "metadata.json"
        event = tmp_path / "event.json"
        pull = {
            "base": {"ref": "main", "repo": {"full_name": "me/app"}},
            "head": {"repo": {"full_name": "them/app"}},
        }
        is_fork = environ.get("GITHUB_EVENT_NAME") == "pull_request"
        event.write_text(json.dumps({"number": 7, "pull_request": pull} if is_fork else {}))
        places = {
            "GITHUB_OUTPUT": str(github),
            "GITHUB_STEP_SUMMARY": str(page),
            "GITHUB_EVENT_PATH": str(event),
            "SHIPPED_FOLDER": str(gitlab),
        }
        for name in os.environ:
            monkeypatch.delenv(name)
        for name, value in {**PLATFORMS[platform], **places, **environ, "HOME": str(tmp_path)}.items():
            monkeypatch.setenv(name, value)
        code = cli.main(["publish", "--source", str(archive), "--metadata-file", str(metadata), *flags])
        ended = Ended(code, *capsys.readouterr())
        dotenv, metrics = gitlab / "shipped.env", gitlab / "metrics.txt"
        return Told(
            ended,
            read_outputs(github) if github.exists() else {},
            page.read_text()
            if page.exists()
            else (gitlab / "summary.md").read_text()
            if gitlab.exists()
            else "",
            dict(line.split("=", 1) for line in dotenv.read_text().splitlines()) if dotenv.exists() else {},
            metrics.read_text() if metrics.exists() else "",
            json.loads(metadata.read_text()) if metadata.exists() else None,
        )

    return run


def last_line(told: Told) -> str:
    """The last line of the log, without the commands and colours of its platform."""
    *_, last = told.ended.stderr.rstrip().splitlines()
    return last.replace("\x1b[33m", "").replace("\x1b[0m", "")


def assert_pushed(told: Told, reference: str, tag: str) -> None:
    assert told.ended.code == 0, told.ended.stderr
    assert told.ended.stdout == f"{reference}\n"
    assert "NOT PUSHED" not in told.ended.stderr + told.page
    assert told.metadata is not None
    assert told.metadata["containerimage.digest"] == reference.partition("@")[2]
    assert told.metadata["image.name"] == tag
    assert told.metadata["flakeship.pushed"] is True
    if told.outputs:
        assert told.outputs["pushed"] == "true"
        assert (told.outputs["refs"], told.outputs["tags"]) == (reference, tag)
        assert told.outputs["digest"] == reference.partition("@")[2]
    if told.variables:
        assert (told.variables["SHIPPED_REF"], told.variables["SHIPPED_PUSHED"]) == (reference, "true")
        assert "flakeship_pushed 1\n" in told.metrics


def assert_not_pushed(told: Told, how: str, *, platform: str) -> None:
    assert told.ended.code == 0, told.ended.stderr
    assert told.ended.stdout == ""
    marks = (
        {"notice": "::notice title=flakeship::", "warning": "::warning title=flakeship::"}
        if platform in ACTIONS
        else {"notice": "note: ", "warning": "warning: "}
    )
    start, why = last_line(told).split("NOT PUSHED: ")
    assert start == marks[how]
    assert len(why) > 10
    assert told.metadata is not None
    assert not [key for key in told.metadata if key.startswith(("containerimage", "image"))]
    assert told.metadata["flakeship.pushed"] is False
    assert told.metadata["flakeship.not-pushed"] == f"NOT PUSHED: {why}".replace("%25", "%")
    for place in told.metadata["flakeship.destinations"]:
        assert (place["sent"], place["reference"], place["tags"]) == (False, "", [])
    if told.outputs:
        assert told.outputs["pushed"] == "false"
        assert (
            not told.outputs["digest"] + told.outputs["refs"] + told.outputs["tags"] + told.outputs["imageid"]
        )
        assert told.outputs["digests"] == "{}"
        assert json.loads(told.outputs["metadata"]) == told.metadata
    if told.page:
        assert told.page.startswith("### ⏸️ NOT PUSHED: ")
        assert f"> [!{'NOTE' if how == 'notice' else 'WARNING'}]\n> NOT PUSHED" in told.page
        assert "```" not in told.page
    if told.variables:
        assert told.variables["SHIPPED_PUSHED"] == "false"
        assert (
            not told.variables["SHIPPED_REF"]
            + told.variables["SHIPPED_DIGEST"]
            + told.variables["SHIPPED_IMAGEID"]
        )
        assert "flakeship_pushed 0\n" in told.metrics
        assert "flakeship_sent_bytes 0\n" in told.metrics


NAMED = ("SHIPPED_DIGEST", "SHIPPED_REF", "SHIPPED_IMAGEID")


def assert_refused(told: Told) -> None:
    assert told.ended.code == 5, told.ended.stderr
    assert told.ended.stdout == ""
    assert (told.outputs, told.metadata) == ({}, None)
    assert told.variables == {**dict.fromkeys(NAMED, ""), "SHIPPED_PUSHED": "false"}
    assert told.metrics.endswith("flakeship_pushed 0\n")
    assert not told.page or told.page.startswith("### ❌")


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_place_tells_whether_it_was_pushed(
    platform: str, scene: str, run_on: RunOn, basic_registry: Registry
) -> None:
    wanted = SCENES[scene].but.get(platform, SCENES[scene].everywhere)
    repository = basic_registry.new_repository()
    tag = f"{basic_registry.host}/{repository}:1"
    told = run_on(platform, ["--tags", tag], **SCENES[scene].environ)
    digest = basic_registry.digest(repository, "1") if wanted == "pushed" else ""
    if wanted != "refused":
        assert bool(told.outputs) is (platform in ACTIONS)
        assert told.variables
        assert told.page
    if wanted == "pushed":
        assert digest, told.ended.stderr
        assert_pushed(told, f"{basic_registry.host}/{repository}@{digest}", tag)
        return
    if wanted == "refused":
        assert_refused(told)
    else:
        assert_not_pushed(told, wanted, platform=platform)
    assert basic_registry.tags(repository) == []
    for place in (*told.outputs.values(), *told.variables.values(), told.ended.stdout):
        assert f"{repository}@sha256" not in place.partition("flakeship.destinations")[0]


def test_what_is_written_beside_a_withheld_push_is_told_and_so_is_what_is_not(
    run_on: RunOn, basic_registry: Registry, tmp_path: Path
) -> None:
    """Where something was written its digest is true, and every line says which place lacks the image."""
    name = f"{basic_registry.host}/{basic_registry.new_repository()}"
    told = run_on("github", ["--tags", f"{name}:1", "--to", "oci:there:1"], **FORK)
    layout = f"oci:{tmp_path}/there:1"
    assert told.ended.code == 0, told.ended.stderr
    assert told.ended.stdout == f"{layout}\n"
    why = "the pull request comes from them/app"
    assert last_line(told) == f"::notice title=flakeship::NOT PUSHED to {name}: {why}"
    assert (told.outputs["refs"], told.outputs["tags"], told.outputs["pushed"]) == (layout, "", "false")
    assert told.outputs["digest"].startswith("sha256:")
    assert told.metadata is not None
    assert told.metadata["containerimage.digest"] == told.outputs["digest"]
    assert (told.metadata["image.name"], told.metadata["flakeship.pushed"]) == ("", False)
    registry, written = told.metadata["flakeship.destinations"]
    assert (registry["sent"], written["sent"], registry["why"]) == (False, True, why)
    assert registry["would-be"] == {
        "reference": f"{name}@{told.outputs['digest']}",
        "tags": [f"{name}:1"],
    }
    assert {blob["state"] for blob in written["blobs"]} == {"written"}
    assert "**Shipped in part**" in told.page
    assert f"```\n{layout}\n```" in told.page


def test_pushed_means_all_that_was_to_be_pushed(
    run_on: RunOn, basic_registry: Registry, registry: Registry
) -> None:
    """Of two registries one may do without the credentials that a branch lacks; a step that deploys from both waits."""
    lacking = f"{basic_registry.host}/{basic_registry.new_repository()}"
    repository = registry.new_repository()
    flags = ["--tags", f"{lacking}:1", "--tags", f"{registry.host}/{repository}:1"]
    told = run_on("gitlab", flags, **UNPROTECTED)
    assert told.ended.code == 0, told.ended.stderr
    assert registry.tags(repository) == ["1"]
    assert last_line(told).startswith(f"warning: NOT PUSHED to {lacking}: main is not protected")
    assert (told.variables["SHIPPED_PUSHED"], told.variables["SHIPPED_REF"]) == (
        "false", told.ended.stdout.strip(),
    )  # fmt: skip
    assert "flakeship_pushed 0\n" in told.metrics


@pytest.mark.parametrize("level", ["error", "warn", "info", "debug"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_log_level_says_that_nothing_was_pushed(
    platform: str, level: str, run_on: RunOn, registry: Registry
) -> None:
    told = run_on(platform, ["--tags", f"{registry.host}/a/b:1", "--log-level", level, "--dry-run"])
    assert told.ended.code == 0, told.ended.stderr
    assert "NOT PUSHED: `dry-run` sends nothing" in last_line(told)


@pytest.mark.parametrize("to", ["oci:x:1", "docker-archive:x", "oci-archive:x:1", "-"])
def test_a_dry_run_of_any_destination_prints_no_reference(to: str, run_on: RunOn, tmp_path: Path) -> None:
    told = run_on("github", ["--to", to, "--dry-run"])
    assert_not_pushed(told, "warning", platform="github")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_file_beside_a_push_that_is_left_out_is_told(
    platform: str, run_on: RunOn, registry: Registry, tmp_path: Path
) -> None:
    told = run_on(
        platform, ["--tags", f"{registry.host}/a/b:1", "--to", "docker-archive:x", "--push", "false"]
    )
    assert told.ended.stdout == f"docker-archive:{tmp_path}/x:{registry.host}/a/b:1\n", told.ended.stderr
    assert "NOT PUSHED to" in last_line(told)


def test_a_push_that_is_demanded_of_an_image_without_a_registry_is_warned_of(run_on: RunOn) -> None:
    told = run_on("github", ["--to", "oci:x:1", "--push", "true"])
    assert told.ended.code == 0, told.ended.stderr
    assert last_line(told).startswith("::warning title=flakeship::NOT PUSHED: `push` is true, and neither")
    assert told.outputs["pushed"] == "false"


def test_a_username_whose_secret_is_empty_says_so(run_on: RunOn, basic_registry: Registry) -> None:
    """In CI a secret with a wrong name is an empty text. The registry is asked, for it may need no password."""
    told = run_on("github", ["--tags", f"{basic_registry.host}/a/b:1", "--username", "me"])
    assert_refused(told)
    assert "has no password" in told.ended.stderr
    assert "--push false" in told.ended.stderr


@pytest.mark.parametrize("event", ["pull_request_target", "workflow_run", "pull_request_review"])
def test_an_event_that_brings_secrets_to_strangers_code_is_an_error(
    event: str, run_on: RunOn, basic_registry: Registry
) -> None:
    """Credentials that were given for a push which is never made: the run can't do what it was asked to."""
    repository = basic_registry.new_repository()
    flags = ["--tags", f"{basic_registry.host}/{repository}:1"]
    told = run_on("github", flags, **FORK | LOGIN | {"GITHUB_EVENT_NAME": event})
    assert_refused(told)
    assert "`--allow-untrusted`" in told.ended.stderr
    assert basic_registry.tags(repository) == []


def test_a_pull_request_of_which_act_knows_nothing_is_its_users_own(
    run_on: RunOn, basic_registry: Registry
) -> None:
    """`act pull_request` has an empty payload, and a runner of Forgejo, which is made of act too, has never."""
    repository = basic_registry.new_repository()
    flags = ["--tags", f"{basic_registry.host}/{repository}:1"]
    event = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": ""}
    assert run_on("act", flags, **LOGIN | event).ended.code == 0
    assert basic_registry.tags(repository) == ["1"]
    for platform in ("github", "forgejo"):
        refused = run_on(platform, flags, **LOGIN | event).ended
        assert (refused.code, refused.stdout) == (5, "")
        assert "a repository that is not known" in refused.stderr


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_job_that_names_no_destination_does_not_look_like_a_push(platform: str, run_on: RunOn) -> None:
    """The image lies in a folder of the runner then; on a laptop that is what was asked for."""
    told = run_on(platform, [], CI_REGISTRY_IMAGE="", CI_JOB_ID="1")  # as gitlab-ci-local sets it
    assert told.ended.code == 0
    on_gitlab = "nothing is pushed: CI_REGISTRY_IMAGE is not set" in told.ended.stderr
    assert on_gitlab is platform.startswith("gitlab")
    assert ("NOT PUSHED: neither `images` nor" in told.ended.stderr) is (
        platform != "local" and not on_gitlab
    )
