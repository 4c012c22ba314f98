"""The context from GitHub's environment and payload, whole, broken, missing, and of another event."""

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.ci import forgejo
from flakeship.ci.github import event as github
from flakeship.errors import UnreachableError, UsageError
from flakeship.metadata.context import Context, Repository
from tests.metadata import events
from tests.metadata.computing import compute
from tests.metadata.events import NOW, SHA
from tests.metadata.javascript import answers

COMMITTED = datetime(2019, 11, 5, 18, 4, 9, tzinfo=UTC)


def context(environ: dict[str, str], folder: Path, **more: Any) -> Context:
    return github.context(environ, cwd=str(folder), now=NOW, **more)


def with_payload(environ: dict[str, str], folder: Path, document: object) -> dict[str, str]:
    path = folder / "event.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return environ | {"GITHUB_EVENT_PATH": str(path)}


def test_a_push_is_described_whole(tmp_path: Path) -> None:
    assert context(events.github("branch dev", tmp_path), tmp_path) == Context(
        run_date=NOW,
        commit_date=COMMITTED,
        platform="github",
        event="push",
        ref="refs/heads/dev",
        sha=SHA,
        actor="mona",
        repository=Repository("app", "octo/app", "An app", "https://github.com/octo/app", "MIT", "main"),
        run_url="https://github.com/octo/app/actions/runs/42",
        run_id="42",
        invocation="https://github.com/octo/app/actions/runs/42",
    )


def test_the_date_is_that_of_the_commit_among_several(tmp_path: Path) -> None:
    commits = [
        {"id": "0" * 40, "timestamp": "2001-01-01T00:00:00Z"},
        {"id": SHA, "timestamp": "2019-11-05T19:04:09+01:00"},
    ]
    environ = with_payload(events.github("branch dev", tmp_path), tmp_path, {"commits": commits})
    assert context(environ, tmp_path).commit_date == COMMITTED


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("[" * 100_000, "is nested too deeply"),
    ],
)
def test_a_broken_payload_leaves_the_environment(tmp_path: Path, document: str, words: str) -> None:
    found = context(with_payload(events.github("tag v1.2.3", tmp_path), tmp_path, document), tmp_path)
    assert words in found.notices[0]
    assert (found.tag, found.sha) == ("v1.2.3", SHA)
    assert found.repository == Repository(name="app", full_name="octo/app", url="https://github.com/octo/app")
    assert found.commit_date == NOW


def test_a_payload_without_an_end_leaves_the_environment(tmp_path: Path) -> None:
    environ = events.github("tag v1.2.3", tmp_path) | {"GITHUB_EVENT_PATH": "/dev/zero"}
    assert "can't be read (it has more than 33554432 bytes)" in context(environ, tmp_path).notices[0]


@pytest.mark.parametrize("date", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_date_that_is_none_in_utc_is_left_aside(tmp_path: Path, date: str) -> None:
    document = {"head_commit": {"id": SHA, "timestamp": date}}
    found = context(with_payload(events.github("branch dev", tmp_path), tmp_path, document), tmp_path)
    assert found.commit_date == NOW


@pytest.mark.parametrize("date", ["Tue Nov 5 2019 18:04:09", "2019-11-05 18:04", "5 Nov 2019 18:04:09 GMT"])
def test_a_date_of_another_form_is_left_aside(tmp_path: Path, date: str) -> None:
    """docs/metadata.md: docker/metadata-action reads whatever JavaScript takes for a date."""
    document = {"head_commit": {"id": SHA, "timestamp": date}}
    found = context(with_payload(events.github("branch dev", tmp_path), tmp_path, document), tmp_path)
    assert found.commit_date == NOW


@pytest.mark.parametrize(
    ("event", "tags"),
    [
        ("schedule main", ("edge", "true")),
        ("issues main", ("edge", "true")),
        ("discussion main", ("edge", "true")),
        ("branch main", ("false",)),
        ("tag v1", ("false",)),
        ("create dev", ("true",)),
    ],
)
def test_a_timer_runs_on_the_default_branch(tmp_path: Path, event: str, tags: tuple[str, ...]) -> None:
    environ = with_payload(events.github(event, tmp_path), tmp_path, {"schedule": "0 4 * * *"})
    found = compute(context(environ, tmp_path), tags=["type=edge", "type=raw,value={{is_default_branch}}"])
    assert found.names == tags


def test_a_missing_payload_leaves_the_environment(tmp_path: Path) -> None:
    environ = events.github("tag v1.2.3", tmp_path)
    assert (
        "can't be read (No such file"
        in context(environ | {"GITHUB_EVENT_PATH": "/none"}, tmp_path).notices[0]
    )
    assert "not set" in context(environ | {"GITHUB_EVENT_PATH": ""}, tmp_path).notices[0]


def test_a_payload_of_another_repository_is_left_aside(tmp_path: Path) -> None:
    document = {"repository": {"full_name": "evil/app", "default_branch": "dev"}}
    found = context(with_payload(events.github("branch dev", tmp_path), tmp_path, document), tmp_path)
    assert "is of evil/app, not of octo/app" in found.notices[0]
    assert not found.is_default_branch


def test_a_payload_of_another_event_is_told(tmp_path: Path) -> None:
    environ = events.github("pr 2 to main", tmp_path) | {"GITHUB_BASE_REF": "main"}
    found = context(with_payload(environ, tmp_path, {"release": {"tag_name": "v1"}}), tmp_path)
    assert found.notices == ("the event payload says nothing of a pull request",)
    by_act = context(with_payload(environ | {"ACT": "true"}, tmp_path, {}), tmp_path)
    assert "`--eventpath FILE`" in by_act.notices[0]
    assert (found.pull_request, found.base_ref, found.trusted) == ("2", "main", False)


KEYS = ("repository", "number", "pull_request", "commits", "head_commit", "base_ref", "workflow_run")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("2019-11-05"),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(
        st.sampled_from(["repository", "full_name", "commits", "head_commit", "id", "pull_request", "base", "head", "repo", "ref",
                         "timestamp", "number", "base_ref", "license", "spdx_id", "sha", "default_branch"]), inner, max_size=4),
    max_leaves=15,
)  # fmt: skip


@given(json_values, st.sampled_from(["pr 2 to main", "pr-target 2 to main", "tag v1", "branch main"]))
def test_values_of_any_type_do_no_harm(document: object, event: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        payload = dict.fromkeys(KEYS, document)
        environ = with_payload(events.github(event, Path(folder)), Path(folder), payload)
        found = context(environ, Path(folder))
        assert compute(found, tags=["type=sha"]).names == ("sha-860c190",)


def test_pull_request_target_is_the_pull_request_it_is_about(tmp_path: Path) -> None:
    found = context(events.github("pr-target 15 to main", tmp_path), tmp_path)
    assert (found.ref, found.base_ref, found.pull_request) == ("refs/pull/15/merge", "main", "15")


@pytest.mark.parametrize("event", ["pr 2 to main", "pr-target 2 to main"])
def test_the_head_commit_is_taken_where_asked(tmp_path: Path, event: str) -> None:
    environ = events.github(event, tmp_path)
    assert context(environ | {"DOCKER_METADATA_PR_HEAD_SHA": "True"}, tmp_path).sha == "f" * 40
    assert context(environ | {"DOCKER_METADATA_PR_HEAD_SHA": "false"}, tmp_path).sha == SHA


def test_the_length_of_the_short_sha_is_asked_of_the_environment(tmp_path: Path) -> None:
    environ = events.github("branch main", tmp_path)
    lengths = ["12", " 12 ", "8.9", "1e1", "0x10", "0b11", "0o7", "-3", " ", ".5", "1e400", "Infinity"]
    lengths += ["x", "1_0", "0x", "1e", "NaN", "12,", "\u0661", "9" * 5000, "1" * 50_000 + "x"]
    theirs = answers(
        "(text, sha) => isNaN(Number(text)) ? null : sha.substring(0, Number(text))",
        [[text, SHA] for text in lengths],
    )
    for text, expected in zip(lengths, theirs, strict=True):
        environ["DOCKER_METADATA_SHORT_SHA_LENGTH"] = text
        if expected is not None:
            assert context(environ, tmp_path).short_sha == expected
            continue
        with pytest.raises(
            UsageError, match=r"DOCKER_METADATA_SHORT_SHA_LENGTH is .*, which is not a number"
        ) as caught:
            context(environ, tmp_path)
        assert "such as 12" in caught.value.hint


def _pull(head: object) -> dict[str, object]:
    return {
        "pull_request": {"base": {"ref": "main", "repo": {"full_name": "octo/app"}}, "head": {"repo": head}}
    }


@pytest.mark.parametrize(
    ("event", "document", "reason"),
    [
        ("pull_request", _pull({"full_name": "octo/app"}), ""),
        ("pull_request", _pull({"full_name": "fork/app"}), "the pull request comes from fork/app"),
        ("pull_request", _pull(None), "the pull request comes from a repository that is not known"),
        ("pull_request_review", _pull({"full_name": "fork/app"}), "the pull request comes from fork/app"),
        ("pull_request_target", _pull({"full_name": "octo/app"}), "pull_request_target runs with the secrets"),
        ("workflow_run", {"repository": {"full_name": "octo/app"}, "workflow_run": {"head_repository": {"full_name": "octo/app"}}}, ""),
        ("workflow_run", {"repository": {"full_name": "octo/app"}, "workflow_run": {"head_repository": {"full_name": "f/a"}}}, "started by one of f/a"),
        ("push", {}, ""),
    ],
)  # fmt: skip
def test_strangers_are_not_trusted(tmp_path: Path, event: str, document: object, reason: str) -> None:
    environ = with_payload(
        events.github("branch main", tmp_path) | {"GITHUB_EVENT_NAME": event}, tmp_path, document
    )
    found = context(environ, tmp_path)
    assert found.trusted is not bool(reason)
    assert reason in found.untrusted_because


@pytest.mark.parametrize(
    ("document", "more", "trusted"),
    [
        ({}, {}, False),
        ({}, {"ACT": "true"}, True),
        ({"pull_request": {"head": {"ref": "a"}, "base": {"ref": "b"}}}, {"ACT": "true"}, True),
        (_pull({"full_name": "fork/app"}), {"ACT": "true"}, False),
        (_pull(None), {"ACT": "true"}, False),
        ({}, {"ACT": "true", "FORGEJO_ACTIONS": "true"}, False),
        ({}, {"ACT": "true", "GITEA_ACTIONS": "true"}, False),
        ({}, {"ACT": "false"}, False),
    ],
)
def test_a_pull_request_of_which_nothing_is_said_is_trusted_on_the_users_own_machine_alone(
    tmp_path: Path, document: object, more: dict[str, str], trusted: bool
) -> None:
    environ = events.github("pr 3 to main", tmp_path) | more
    assert context(with_payload(environ, tmp_path, document), tmp_path).trusted is trusted


@pytest.mark.parametrize("event", ["pull_request", "push", "pull_request_review", "create"])
def test_dependabot_is_trusted_and_lacks_secrets(tmp_path: Path, event: str) -> None:
    own = _pull({"full_name": "octo/app"})
    environ = with_payload(
        events.github("branch main", tmp_path) | {"GITHUB_EVENT_NAME": event}, tmp_path, own
    )
    person, bot = context(environ, tmp_path), context(environ | {"GITHUB_ACTOR": "dependabot[bot]"}, tmp_path)
    assert (person.trusted, person.from_outside, person.secrets_kept_because) == (True, False, "")
    assert (bot.trusted, bot.from_outside) == (True, True)
    assert "Dependabot" in bot.secrets_kept_because


def test_the_api_is_asked_for_what_the_payload_lacks(tmp_path: Path) -> None:
    asked = []

    def api(path: str) -> object:
        asked.append(path)
        if "commits" in path:
            return {"commit": {"committer": {"date": "2019-11-05T18:04:09Z"}}}
        return {"name": "App", "default_branch": "trunk", "license": {"spdx_id": "EUPL-1.2"}}

    environ = with_payload(events.github("branch trunk", tmp_path), tmp_path, {})
    found = context(environ, tmp_path, api=api)
    assert asked == ["repos/octo/app", f"repos/octo/app/commits/{SHA}"]
    assert (found.commit_date, found.is_default_branch, found.repository.license) == (
        COMMITTED,
        True,
        "EUPL-1.2",
    )


def test_an_api_that_refuses_is_no_failure(tmp_path: Path) -> None:
    def api(path: str) -> object:
        raise UnreachableError("no network")

    found = context(with_payload(events.github("branch main", tmp_path), tmp_path, {}), tmp_path, api=api)
    assert found.commit_date == NOW


def test_forgejo_has_names_of_its_own(tmp_path: Path) -> None:
    environ = {
        name.replace("GITHUB_", "FORGEJO_"): value
        for name, value in events.github("pr 3 to main", tmp_path).items()
    }
    environ["FORGEJO_REF"] = "refs/pull/3/head"
    assert forgejo.matches(environ)
    assert forgejo.matches({"GITEA_ACTIONS": "true"})
    found = forgejo.context(environ, cwd=str(tmp_path), now=NOW)
    assert (found.platform, found.ref, found.sha, found.actor) == (
        "forgejo",
        "refs/pull/3/merge",
        SHA,
        "mona",
    )
