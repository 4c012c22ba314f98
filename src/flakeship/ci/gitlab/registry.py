"""GitLab's container registry: the variables that log a job in there, and what is usual when a push is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from flakeship.ci.gitlab.recognition import by_gitlab_ci_local, matches
from flakeship.ci.job_credentials import JobCredentials

_MADE_UP: Final = "local-registry."
_LOGINS: Final = (("CI_REGISTRY_USER", "CI_REGISTRY_PASSWORD"), ("CI_DEPLOY_USER", "CI_DEPLOY_PASSWORD"))


def job_credentials(environ: Mapping[str, str], *, token: str) -> Iterator[JobCredentials]:
    """Give what a job may log in with at CI_REGISTRY: its own user, a deploy token, the token of the job.

    https://docs.gitlab.com/user/packages/container_registry/authenticate_with_container_registry/
    """
    registry = environ.get("CI_REGISTRY", "")
    if not registry:
        return
    for user, secret in _LOGINS:
        if environ.get(user) and environ.get(secret):
            yield JobCredentials(registry, environ[user], environ[secret], f"{user} and {secret}")
    if password := environ.get("CI_JOB_TOKEN", ""):
        yield JobCredentials(registry, "gitlab-ci-token", password, "CI_JOB_TOKEN")


def unreachable_hint(host: str) -> str:
    """Name what gives gitlab-ci-local a registry: it makes up `local-registry.HOST`, where nothing listens; empty for other hosts.

    https://github.com/firecow/gitlab-ci-local#registry
    """
    if not host.startswith(_MADE_UP):
        return ""
    return (
        f"name a registry that exists: gitlab-ci-local makes up {host}, where nothing listens; give it "
        "`--variable CI_REGISTRY=HOST:PORT` (for a child pipeline in .gitlab-ci-local-variables.yml), let it start a registry by "
        "`--registry`, or name an image of another registry with `images`; "
        'with `push: "false"` the image is built and sent nowhere'
    )


def refusal_hint(host: str, environ: Mapping[str, str]) -> str:
    """Name the variables by which a job logs in to the registry `host`; empty where this is neither a job nor a registry of GitLab.

    A registry counts as one of GitLab by its name too: somebody may push to it from elsewhere.
    """
    if host.startswith(_MADE_UP):
        return ""
    on_gitlab, locally = matches(environ), by_gitlab_ci_local(environ)
    own = bool(host) and environ.get("CI_REGISTRY", "").partition(":")[0] == host
    if locally:
        if own:
            return (
                "give gitlab-ci-local `--variable CI_REGISTRY_USER=NAME` and `--variable CI_REGISTRY_PASSWORD=PASSWORD`, "
                "of a user who may write there"
            )
        return "set `username`, and give gitlab-ci-local `--variable FLAKESHIP_PASSWORD=PASSWORD`, of a user who may write there"
    if "gitlab" in host or (own and on_gitlab):
        return (
            "in GitLab CI, push to $CI_REGISTRY_IMAGE with CI_REGISTRY_USER and CI_REGISTRY_PASSWORD; elsewhere use a deploy "
            "token with write_registry"
        )
    if on_gitlab:
        return (
            "set `username` and the masked CI/CD variable FLAKESHIP_PASSWORD, of a user who may write there, and with several "
            "registries `registry`"
        )
    return ""
