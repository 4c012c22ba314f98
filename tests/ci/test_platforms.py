"""Every platform is told from the others, and has all that the Protocol asks for."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from functools import partial

import pytest

from flakeship.ci import forgejo, github, gitlab, local
from flakeship.ci.job_credentials import JobCredentials
from flakeship.ci.platforms import (
    PLATFORMS,
    current_platform,
    is_ci,
    job_credentials,
    output_platform,
    refusal_hint,
    unreachable_hint,
)
from flakeship.ci.protocol import Platform
from flakeship.registry.hints import hint_for

CHECKED: tuple[Platform, ...] = (forgejo, github, gitlab, local)
"""For mypy, which holds each signature against the Protocol."""

MEMBERS = {name: value for name, value in vars(Platform).items() if inspect.isfunction(value)}


@pytest.mark.parametrize("name", PLATFORMS)
def test_each_platform_has_all_that_the_protocol_asks_for(name: str) -> None:
    module = importlib.import_module(name)
    assert module in CHECKED
    assert name.rpartition(".")[2] == module.NAME
    for member, wanted in MEMBERS.items():
        if not member.startswith("_"):
            ours = inspect.signature(getattr(module, member)).parameters
            theirs = list(inspect.signature(wanted).parameters.values())[1:]
            assert [(each.name, each.kind) for each in ours.values()] == [
                (each.name, each.kind) for each in theirs
            ]


def test_a_name_that_a_platform_lacks_is_an_error() -> None:
    with pytest.raises(AttributeError, match=r"'flakeship\.ci\.github' has no attribute 'nothing'"):
        _ = github.nothing  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("environ", "platform"),
    [
        ({"GITHUB_ACTIONS": "true"}, github),
        ({"GITHUB_ACTIONS": "true", "GITEA_ACTIONS": "true"}, forgejo),
        ({"GITHUB_ACTIONS": "true", "FORGEJO_ACTIONS": "true"}, forgejo),
        ({"GITLAB_CI": "true"}, gitlab),
        ({"GITLAB_CI": "false", "CI_JOB_ID": "1000"}, gitlab),
        ({"GITLAB_CI": "false"}, local),
        ({"GITLAB_CI": "", "CI_JOB_ID": "1000"}, local),
        ({"CI": "true"}, local),
        ({}, local),
    ],
)
def test_each_platform_is_told_from_the_others(environ: dict[str, str], platform: Platform) -> None:
    assert current_platform(environ) is platform


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"CI": "0"}, False),
        ({"CI": "False"}, False),
        ({"CI": "1"}, True),
        ({"GITLAB_CI": "true"}, True),
    ],
)
def test_ci_is_a_platform_that_we_know_or_one_that_says_so(environ: dict[str, str], wanted: bool) -> None:
    assert is_ci(environ) is wanted


def test_a_place_for_outputs_counts_on_every_platform() -> None:
    assert output_platform({"GITHUB_OUTPUT": "/file", "GITLAB_CI": "true"}) in (forgejo, github)
    assert output_platform({"GITHUB_OUTPUT": "", "GITHUB_ACTIONS": "true"}) is None


def given(environ: dict[str, str], token: str = "") -> list[JobCredentials]:
    return list(job_credentials(environ, token=token))


def test_the_token_of_a_github_job_is_for_ghcr() -> None:
    environ = {"GITHUB_TOKEN": "t", "GITHUB_ACTOR": "octocat"}
    source = "the job's GITHUB_TOKEN"
    assert given(environ) == [JobCredentials("ghcr.io", "octocat", "t", source)]
    assert given(environ, "input") == [JobCredentials("ghcr.io", "octocat", "input", source)]
    assert given({}, "input") == [JobCredentials("ghcr.io", "github-actions", "input", source)]
    assert given({"FORGEJO_ACTIONS": "true", "FORGEJO_TOKEN": "t"}) == [], "ghcr.io is GitHub's"


def test_gitlab_gives_the_better_credentials_first() -> None:
    host = "registry.gitlab.example:5050"
    environ = {
        "CI_REGISTRY_USER": "u",
        "CI_REGISTRY_PASSWORD": "p",
        "CI_DEPLOY_USER": "d",
        "CI_DEPLOY_PASSWORD": "q",
        "CI_JOB_TOKEN": "t",
    }
    assert given(environ | {"CI_REGISTRY": host}) == [
        JobCredentials(host, "u", "p", "CI_REGISTRY_USER and CI_REGISTRY_PASSWORD"),
        JobCredentials(host, "d", "q", "CI_DEPLOY_USER and CI_DEPLOY_PASSWORD"),
        JobCredentials(host, "gitlab-ci-token", "t", "CI_JOB_TOKEN"),
    ]
    assert given({"CI_REGISTRY": host, "CI_REGISTRY_USER": "u"}) == []
    assert given(environ) == [], "a GitLab without a registry"


def test_no_password_shows() -> None:
    assert "canary" not in repr(given({"GITHUB_TOKEN": "canary"}))


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("ghcr.io", "packages: write"),
        ("registry.gitlab.com", "CI_REGISTRY_PASSWORD"),
        ("gitlab.example", "write_registry"),
    ],
)
def test_the_registry_of_a_platform_has_its_own_hint(host: str, words: str) -> None:
    assert words in refusal_hint(host, {})
    assert refusal_hint("quay.io", {}) == ""


GITLAB = {"GITLAB_CI": "true", "CI": "true", "CI_REGISTRY": "registry.example:5050"}
GITLAB_CI_LOCAL = {**GITLAB, "GITLAB_CI": "false", "CI_JOB_ID": "1"}


@pytest.mark.parametrize(
    ("environ", "host", "words"),
    [
        (GITLAB, "registry.example", "CI_REGISTRY_USER and CI_REGISTRY_PASSWORD"),
        (GITLAB, "harbor.example", "the masked CI/CD variable FLAKESHIP_PASSWORD"),
        (GITLAB, "ghcr.io", "the masked CI/CD variable FLAKESHIP_PASSWORD"),
        (GITLAB_CI_LOCAL, "registry.example", "`--variable CI_REGISTRY_PASSWORD=PASSWORD`"),
        (GITLAB_CI_LOCAL, "localhost", "`--variable FLAKESHIP_PASSWORD=PASSWORD`"),
    ],
)
def test_a_job_of_gitlab_is_told_what_a_job_can_set(
    environ: Mapping[str, str], host: str, words: str
) -> None:
    """It has no input `password`, and a `docker login` elsewhere does nothing for it."""
    assert words in refusal_hint(host, environ)
    assert "docker login" not in hint_for(host, platform_hint=partial(refusal_hint, environ=environ))


@pytest.mark.parametrize("host", ["local-registry.gitlab.com", "local-registry.git.example.com"])
def test_a_registry_that_gitlab_ci_local_makes_up_is_explained(host: str) -> None:
    assert f"makes up {host}" in unreachable_hint(host)
    assert "`--variable CI_REGISTRY=HOST:PORT`" in unreachable_hint(host)
    assert not refusal_hint(host, {})


@pytest.mark.parametrize(
    "host", ["registry.gitlab.com", "local-registry", "registry.gcl.local", "ghcr.io", ""]
)
def test_a_registry_of_anybody_is_not_called_made_up(host: str) -> None:
    assert not unreachable_hint(host)
