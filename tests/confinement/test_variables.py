"""Which variables reach which program: each has a list, and what stands on none reaches nobody."""

from __future__ import annotations

from typing import Final

import pytest

from flakeship.confinement import variables
from flakeship.confinement.variables import Allowed

LISTS: Final = {
    "nix": variables.NIX,
    "nix, impure": variables.IMPURE,
    "git": variables.GIT,
    "podman": variables.PODMAN,
    "own script": variables.OWN_SCRIPT,
    "plain": variables.PLAIN,
    "known helper": variables.of_helper("pass"),
}
SECRETS: Final = [
    "FLAKESHIP_PASSWORD",
    "FLAKESHIP_USERNAME",
    "FLAKESHIP_CACHIX_AUTH_TOKEN",
    "INPUT_PASSWORD",
    "INPUT_CACHIX-AUTH-TOKEN",
    "INPUT_GITHUB-TOKEN",
    "DOCKER_AUTH_CONFIG",
    "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_RUNTIME_URL",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "my_secret",
    "TOKEN_OF_MINE",
    "PLAIN",
    "DEPLOY_KEY_FILE",
    "PGPASSFILE",
    "MYSQL_PWD",
    "DATABASE_URL",
    "SLACK_WEBHOOK",
    "SENTRY_DSN",
    "AUTH",
    "PIN",
    "LICENSE",
    "SSH_PRIVATE_KEY",
    "KUBECONFIG_DATA",
    "NETLIFY_AUTH",
    "SIGNING",
    "PASSPHRASE",
    "COSIGN_PASSWORD",
    "SOPS_AGE_KEY",
    "TF_VAR_token",
    "nix_config",
]
FOR_CLOUDS: Final = [
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "GH_PAT",
    "CI_JOB_TOKEN",
    "CI_JOB_JWT_V2",
    "CI_REGISTRY_PASSWORD",
    "CI_REGISTRY_USER",
    "CI_DEPLOY_PASSWORD",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "GOOGLE_CREDENTIALS",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AZURE_CLIENT_SECRET",
    "CACHIX_SIGNING_KEY",
    "CACHIX_AUTH_TOKEN",
    "GITLAB_TOKEN",
    "VAULT_TOKEN",
]
NIX_S: Final = [
    "NIX_GITHUB_PRIVATE_USERNAME",
    "NIX_GITHUB_PRIVATE_PASSWORD",
    "NIX_MINE_GITHUB_PRIVATE_USERNAME",
    "NIX_NPM_TOKENS",
    "NIX_TOKEN",
    "NIX_SECRET_KEY_FILE",
    "NIX_SIGNING_KEY",
    "NIX_ANYTHING",
    "NIXBUILD_TOKEN",
    "GIT_TOKEN",
    "GIT_PASSWORD",
    "GIT_USERNAME",
    "GIT_CREDENTIALS",
    "GIT_LFS_TOKEN",
    "CI_PROJECT_ACCESS_TOKEN",
    "CI_RUNNER_SHORT_TOKEN",
    "CI_ENVIRONMENT_SECRET",
    "AWS_S3_SECRET_KEY",
    "AWS_SDK_TOKEN",
    "KRB5_PASSWORD",
    "NIXPKGS_API_KEY",
    "XDG_API_TOKEN",
]


@pytest.mark.parametrize("who", LISTS)
@pytest.mark.parametrize("name", SECRETS)
def test_what_is_on_no_list_reaches_nobody(who: str, name: str) -> None:
    assert LISTS[who].of({name: "canary"}) == {}


@pytest.mark.parametrize("who", [name for name in LISTS if "helper" not in name])
@pytest.mark.parametrize("name", [*FOR_CLOUDS, *NIX_S])
def test_keys_of_clouds_and_forges_reach_helpers_alone(who: str, name: str) -> None:
    assert LISTS[who].of({name: "canary"}) == {}


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "TERM",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_RUNTIME_DIR",
        "CI",
        "http_proxy",
        "HTTPS_PROXY",
        "no_proxy",
        "all_proxy",
        "SSL_CERT_FILE",
        "NIX_SSL_CERT_FILE",
        "CURL_CA_BUNDLE",
        "SSH_AUTH_SOCK",
        "NIX_CONFIG",
        "NIX_PATH",
        "NIX_REMOTE",
        "NIX_SSHOPTS",
        "NIX_CONF_DIR",
        "NIX_USER_CONF_FILES",
        "NIX_CURL_FLAGS",
        "NIX_MIRRORS_gnu",
        "NIX_STATE_DIR",
        "NIXPKGS_ALLOW_UNFREE",
        "GIT_SSH_COMMAND",
        "GIT_SSL_CAINFO",
        "GIT_SSL_CERT",
        "GIT_SSL_KEY",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_KEY_0",
        "GIT_CONFIG_VALUE_10",
        "GIT_ASKPASS",
        "GIT_TRACE",
        "GIT_LFS_SKIP_SMUDGE",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_CONFIG_FILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "GOPROXY",
        "LD_LIBRARY_PATH",
        "LOCALE_ARCHIVE",
        "SOURCE_DATE_EPOCH",
        "KRB5CCNAME",
    ],
)
def test_what_a_build_needs_reaches_nix(name: str) -> None:
    assert variables.NIX.of({name: "x"}) == {name: "x"}


@pytest.mark.parametrize(
    "name", ["GITHUB_SHA", "GITHUB_REF_NAME", "CI_COMMIT_SHA", "CI_PROJECT_PATH", "CI_PIPELINE_IID"]
)
def test_the_event_reaches_an_evaluation_that_may_see_the_environment(name: str) -> None:
    assert variables.NIX.of({name: "x"}) == {}
    assert variables.IMPURE.of({name: "x"}) == {name: "x"}


def test_a_password_in_a_url_is_for_what_can_not_do_without_it() -> None:
    """GitLab's CI_REPOSITORY_URL is such a URL; one with a user name alone is kept."""
    secret = "https://gitlab-ci-token:glcbt-canary@gitlab.example/o/n.git"
    needed = {
        "https_proxy": secret,
        "NIX_CONFIG": f"substituters = {secret}",
        "GIT_CONFIG_KEY_0": f"url.{secret}.insteadOf",
    }
    others = {"CI_REPOSITORY_URL": secret, "CI_PROJECT_URL": secret, "GOPROXY": secret, "TMPDIR": secret}
    assert variables.IMPURE.of({**needed, **others}) == needed
    assert variables.OWN_SCRIPT.of({**needed, **others, "DOCKER_HOST": "ssh://git@host:22/n"}) == {
        "DOCKER_HOST": "ssh://git@host:22/n"
    }


PRIVATE = {"NIX_GITHUB_PRIVATE_USERNAME": "me", "NIX_GITHUB_PRIVATE_PASSWORD": "canary"}
OTHER = {"NIX_X_GITHUB_PRIVATE_USERNAME": "me", "NIX_X_GITHUB_PRIVATE_PASSWORD": "canary"}
KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "canary", "AWS_SESSION_TOKEN": "canary"}


@pytest.mark.parametrize(
    ("names", "passed"),
    [
        ((), {}),
        (("NIX_GITHUB_PRIVATE_PASSWORD",), PRIVATE),
        (("NIX_GITHUB_PRIVATE_USERNAME",), PRIVATE),
        (("NIX_X_GITHUB_PRIVATE_PASSWORD",), OTHER),
        (("AWS_SECRET_ACCESS_KEY",), KEYS),
        (("AWS_ACCESS_KEY_ID", "MINE"), {**KEYS, "MINE": "1"}),
        (("ABSENT",), {}),
    ],
)
def test_what_belongs_together_is_passed_or_dropped_together(
    names: tuple[str, ...], passed: dict[str, str]
) -> None:
    environ = {**PRIVATE, **OTHER, **KEYS, "MINE": "1", "OTHERS": "2"}
    assert variables.NIX.of(environ, names) == passed


@pytest.mark.parametrize(
    ("helper", "name", "given"),
    [
        ("ecr-login", "AWS_SECRET_ACCESS_KEY", True),
        ("ecr-login", "GITHUB_TOKEN", False),
        ("gcloud", "GOOGLE_APPLICATION_CREDENTIALS", True),
        ("gcloud", "AWS_SECRET_ACCESS_KEY", False),
        ("acr-env", "AZURE_CLIENT_SECRET", True),
        ("ghcr-login", "GITHUB_TOKEN", True),
        ("pass", "PASSWORD_STORE_DIR", True),
        ("pass", "DBUS_SESSION_BUS_ADDRESS", True),
        ("desktop.exe", "WSL_DISTRO_NAME", True),
        ("acme", "ACME_API", True),
        ("acme", "AWS_SECRET_ACCESS_KEY", True),
        ("acme", "FLAKESHIP_PASSWORD", False),
        ("acme", "ACTIONS_RUNTIME_TOKEN", False),
        ("acme", "UNRELATED", False),
    ],
)
def test_a_helper_is_given_what_it_takes_credentials_from(helper: str, name: str, *, given: bool) -> None:
    assert variables.of_helper(helper).of({name: "x"}) == ({name: "x"} if given else {})


def test_every_pattern_stands_for_itself() -> None:
    for allowed in (*LISTS.values(), Allowed("A B_(C|D)")):
        assert allowed.of(dict.fromkeys(("A|B", "", "ALL", "PATHS", "XPATH", "PATH "), "x")) == {}


@pytest.mark.parametrize(
    "value", ["u:p@host:1", "http://u:pa/ss@host", "http://u:p a@host", "http://token@host"]
)
def test_a_proxy_with_a_password_in_any_spelling_is_for_nix_alone(value: str) -> None:
    for given in (variables.OWN_SCRIPT, variables.PODMAN):
        assert given.of({"HTTPS_PROXY": value}) == {}
    assert variables.NIX.of({"HTTPS_PROXY": value}) == {"HTTPS_PROXY": value}
    assert variables.NIX.of({"PIP_INDEX_URL": "https://token@host/"}) == {}


@pytest.mark.parametrize(
    "name",
    ["DEPLOY_KEY", "MY_API_KEY", "CI_PROJECT_DEPLOY_KEY", "NPM_TOKEN", "ssh_private_key", "DB_PASSWORD"],
)
def test_a_name_that_ends_like_a_secrets(name: str) -> None:
    assert variables.is_named_like_a_secret(name)
    assert variables.IMPURE.of({name: "x"}) == {}


@pytest.mark.parametrize(
    "name", ["GIT_SSL_KEY", "GIT_PROXY_SSL_KEY", "NIX_PUBLIC_KEY", "KEYBOARD", "GIT_CONFIG_KEY_0"]
)
def test_a_name_that_only_looks_so(name: str) -> None:
    assert not variables.is_named_like_a_secret(name)


def test_a_script_of_the_users_own_knows_the_job_and_what_is_passed_on() -> None:
    environ = dict.fromkeys(
        ("CI_PROJECT_DIR", "GITHUB_WORKSPACE", "RUNNER_TEMP", "MINE", "CI_JOB_TOKEN"), "x"
    )
    assert variables.OWN_SCRIPT.of(environ).keys() == {"CI_PROJECT_DIR", "GITHUB_WORKSPACE", "RUNNER_TEMP"}
    assert "MINE" in variables.OWN_SCRIPT.of(environ, ["MINE"])


@pytest.mark.parametrize("helper", ["input", "flakeship", "cachix", "unknown"])
def test_a_helper_gets_no_input_whatever_it_is_called(helper: str) -> None:
    inputs = ("INPUT_PASSWORD", "FLAKESHIP_PASSWORD", "CACHIX_AUTH_TOKEN")
    assert variables.of_helper(helper).of(dict.fromkeys(inputs, "canary")) == {}
