"""Which variables each program that we start is given: lists of what is allowed, for nobody can list all that is secret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

_BASE: Final = (
    "PATH HOME USER LOGNAME SHELL TERM COLORTERM NO_COLOR COLUMNS LINES TZ TZDIR LANG LANGUAGE LC_[A-Z]+ LOCALE_ARCHIVE "
    "LOCPATH TMPDIR TMP TEMP TEMPDIR XDG_[A-Z_]+ LD_LIBRARY_PATH DYLD_[A-Z_]+ MALLOC_[A-Z_]+ SOURCE_DATE_EPOCH "
    "PWD OLDPWD SHLVL HOSTNAME IN_NIX_SHELL CI container WSLENV WSL_[A-Z_]+"
)
_NETWORK: Final = (
    "(HTTP|HTTPS|ALL|NO|FTP|RSYNC|SOCKS)_PROXY SOCKS_SERVER SSL_CERT_(FILE|DIR) NIX_SSL_CERT_FILE SYSTEM_CERTIFICATE_PATH "
    "CURL_CA_BUNDLE CURL_HOME NETRC REQUESTS_CA_BUNDLE AWS_CA_BUNDLE RES_OPTIONS LOCALDOMAIN HOSTALIASES KRB5[A-Z_0-9]+"
)
_SSH: Final = "SSH_AUTH_SOCK SSH_AGENT_PID SSH_ASKPASS SSH_ASKPASS_REQUIRE DISPLAY XAUTHORITY WAYLAND_DISPLAY"
_GIT: Final = (
    "GIT_(ASKPASS|SSH|SSH_COMMAND|SSH_VARIANT|PROXY_COMMAND|ALLOW_PROTOCOL|PROTOCOL|PROTOCOL_FROM_USER|EXEC_PATH) "
    "GIT_(TERMINAL_PROMPT|DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|COMMON_DIR) "
    "GIT_(CEILING_DIRECTORIES|DISCOVERY_ACROSS_FILESYSTEM|DEFAULT_HASH|TEMPLATE_DIR|NAMESPACE|ATTR_NOSYSTEM) "
    "GIT_(OPTIONAL_LOCKS|NO_LAZY_FETCH|NO_REPLACE_OBJECTS|FLUSH|PAGER|REDIRECT_[A-Z]+|LFS_SKIP_SMUDGE|LFS_[A-Z_]+) "
    "GIT_SSL_(CAINFO|CAPATH|NO_VERIFY|VERSION|CIPHER_LIST|CERT|KEY|CERT_PASSWORD_PROTECTED|CERT_TYPE|KEY_TYPE) "
    "GIT_HTTP_(LOW_SPEED_LIMIT|LOW_SPEED_TIME|MAX_REQUESTS|USER_AGENT|PROXY_AUTHMETHOD) GIT_PROXY_SSL_[A-Z_]+ "
    "GIT_(TRACE|TRACE_[A-Z_]+|TRACE2|TRACE2_[A-Z_]+|CURL_VERBOSE|CURL_FLAGS) "
    "GIT_(AUTHOR|COMMITTER)_(NAME|EMAIL|DATE) "
    "GIT_CONFIG GIT_CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|PARAMETERS|COUNT|KEY_[0-9]+|VALUE_[0-9]+)"
)
_NIX: Final = (
    "NIX_(CONFIG|CONF_DIR|USER_CONF_FILES|PATH|REMOTE|REMOTE_SYSTEMS|REMOTE_PROGRAM|DAEMON_SOCKET_PATH|SSHOPTS|SSL_CERT_FILE) "
    "NIX_(STORE|STORE_DIR|STATE_DIR|LOCALSTATE_DIR|LOG_DIR|DATA_DIR|BIN_DIR|LIBEXEC_DIR|MAN_DIR|ROOT|PROFILE|PROFILES) "
    "NIX_(IGNORE_SYMLINK_STORE|SHOW_STATS|SHOW_STATS_PATH|COUNT_CALLS|SHOW_SYMBOLS|PAGER|BUILD_SHELL|BUILD_CORES|BUILD_HOOK) "
    "NIX_(LINK|USER_PROFILE_DIR|HELD_LOCKS|INDENT_MAKE|DEBUG_[A-Z_]+|ENFORCE_[A-Z_]+|CFLAGS_COMPILE|LDFLAGS) "
    "NIX_(CURL_FLAGS|HASHED_MIRRORS|CONNECT_TIMEOUT|MIRRORS_[A-Za-z0-9_]+|NPM_REGISTRY|GIT_SSL_CAINFO|BUILD_TOP) "
    "_NIX_[A-Z_]+ NIXPKGS_[A-Z_]+ NIXOS_[A-Z_]+ GC_[A-Z_]+ BOEHM_GC_[A-Z_]+ "
    "AWS_(PROFILE|DEFAULT_PROFILE|REGION|DEFAULT_REGION|CONFIG_FILE|SHARED_CREDENTIALS_FILE|EC2_METADATA_DISABLED|SDK_[A-Z_]+) "
    "AWS_(EC2_METADATA_SERVICE_ENDPOINT[A-Z_]*|ENDPOINT_URL[A-Z0-9_]*|S3_[A-Z_]+|ROLE_ARN|ROLE_SESSION_NAME|WEB_IDENTITY_TOKEN_FILE) "
    "GOPROXY GONOPROXY GOPRIVATE GOSUMDB GONOSUMDB GOFLAGS GOINSECURE CARGO_HTTP_[A-Z_]+ PIP_INDEX_URL"
)
"""Nix's own and nixpkgs' (impureEnvVars of its fetchers), and what says where keys of S3 are, never the keys themselves.

https://nix.dev/manual/nix/latest/command-ref/env-common,
https://github.com/NixOS/nixpkgs/blob/master/pkgs/build-support/fetchurl/default.nix
"""

_EVENT: Final = (
    "GITHUB_(ACTION|ACTIONS|ACTION_REF|ACTION_REPOSITORY|ACTOR|ACTOR_ID|API_URL|BASE_REF|EVENT_NAME|GRAPHQL_URL|HEAD_REF|JOB) "
    "GITHUB_(REF|REF_NAME|REF_PROTECTED|REF_TYPE|REPOSITORY|REPOSITORY_ID|REPOSITORY_OWNER|REPOSITORY_OWNER_ID|RETENTION_DAYS) "
    "GITHUB_(RUN_ATTEMPT|RUN_ID|RUN_NUMBER|SERVER_URL|SHA|TRIGGERING_ACTOR|WORKFLOW|WORKFLOW_REF|WORKFLOW_SHA|WORKSPACE) "
    "GITLAB_CI CI_(COMMIT|PIPELINE|PROJECT|MERGE_REQUEST|EXTERNAL_PULL_REQUEST|SERVER|RUNNER|ENVIRONMENT)_[A-Z_]+ "
    "CI_(JOB_ID|JOB_NAME|JOB_NAME_SLUG|JOB_STAGE|JOB_STARTED_AT|JOB_URL|API_V4_URL|DEFAULT_BRANCH|CONCURRENT_ID|NODE_[A-Z]+) "
    "CI_(REGISTRY|REGISTRY_IMAGE|PAGES_URL|PAGES_DOMAIN|BUILDS_DIR|DEBUG_TRACE) "
    "GITEA_ACTIONS FORGEJO_ACTIONS RUNNER_(ARCH|NAME|OS|TEMP|TOOL_CACHE|ENVIRONMENT|DEBUG)"
)
"""What CI tells of the event, for evaluations that may see the environment: `builtins.getEnv "GITHUB_SHA"`."""

_CONTAINERS: Final = (
    "CONTAINERS?_[A-Z_]+ STORAGE_(DRIVER|OPTS|CONF) PODMAN_[A-Z_]+ BUILDAH_[A-Z_]+ _CONTAINERS_[A-Z_]+ DBUS_SESSION_BUS_ADDRESS "
    "NETAVARK_[A-Z_]+"
)
_CLOUDS: Final[Mapping[str, str]] = {
    "ecr-login": "AWS_.*",
    "gcloud": "GOOGLE_.* CLOUDSDK_.* GCLOUD_.* BOTO_CONFIG",
    "gcr": "GOOGLE_.* CLOUDSDK_.* GCLOUD_.* BOTO_CONFIG",
    "acr-env": "AZURE_.* ACR_.* ARM_.* IDENTITY_.* MSI_.* AAD_.*",
    "acr-linux": "AZURE_.* ACR_.* ARM_.* IDENTITY_.* MSI_.* AAD_.*",
    "ghcr-login": "GITHUB_.* GH_.*",
    "gh": "GITHUB_.* GH_.*",
    "glab-cli": "GITLAB_.* GLAB_.* CI_.*",
    "oci": "OCI_.*",
    "env": "DOCKER_.* AWS_.* GITHUB_.*",
    **dict.fromkeys(("desktop", "osxkeychain", "pass", "secretservice", "wincred"), ""),
}
"""What a helper for one registry takes its credentials from; one that is not listed may be for any of them."""

_KEEPERS: Final = (
    "DBUS_SESSION_BUS_ADDRESS GNUPGHOME GPG_[A-Z_]+ PINENTRY_[A-Z_]+ PASSWORD_STORE_[A-Z_]+ "
    "DOCKER_(CONFIG|HOST|CONTEXT|CERT_PATH|TLS_VERIFY|API_VERSION) "
    "GNOME_KEYRING_CONTROL KDE_[A-Z_]+ SECRETSERVICE_[A-Z_]+"
)
"""What programs need that keep passwords on a desktop."""

_OF_WINDOWS: Final = re.compile(r"\.(exe|cmd|bat)$", re.IGNORECASE)
"""WSL starts programs of Windows: https://github.com/docker/for-win/issues/12091."""

_SECRET_VALUE: Final = re.compile(r"://[^/\s@]*:[^/\s@]+@|https?://[^/\s@]+@")
"""A password or a token in a URL, as in GitLab's CI_REPOSITORY_URL, which holds the job token.

https://docs.gitlab.com/ci/variables/predefined_variables/
"""

_SECRET_PROXY: Final = re.compile("@")
_SECRET_NAME: Final = re.compile(
    r"(?!GIT_(PROXY_)?SSL_KEY$).*(TOKEN|PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIALS?|(?<!PUBLIC)_KEY)",
    re.IGNORECASE,
)
"""A name that ends like a secret's: patterns such as CI_PROJECT_[A-Z_]+ are not for CI_PROJECT_ACCESS_TOKEN.

Git's own two are paths of files: https://git-scm.com/docs/git-config#Documentation/git-config.txt-httpsslKey.
"""

_INPUT: Final = re.compile(r"(INPUT|FLAKESHIP)_.*|CACHIX_(AUTH_TOKEN|SIGNING_KEY)")
"""An input of this run, which no program gets unless `pass-env` names it."""

_MAY_HOLD_A_URL: Final = r"NIX_(CONFIG|PATH|CURL_FLAGS)|.*_PROXY|GIT_CONFIG(_.*)?"
"""What belongs to Nix and git with its password: without it they would not get where they are sent."""

_TOGETHER: Final = (
    r"(AWS_)(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)",
    r"(NIX_(?:[A-Za-z0-9_]+_)?[A-Z]+_PRIVATE_)(?:USERNAME|PASSWORD)",
)
"""Pairs of which one is of no use without the other; the group is what tells one pair from the next."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Patterns of names, each for a whole name. A value that is a URL with a password is for the names of `urls` alone."""

    patterns: str
    urls: str = ""
    secrets: bool = False
    """True if names that end like a secret's are meant too."""

    def of(self, environ: Mapping[str, str], extra: Iterable[str] = ()) -> dict[str, str]:
        """The variables that a program may have, with those that `extra` names and their partners."""
        allowed = re.compile("|".join(self.patterns.split()))
        more = with_partners(frozenset(extra), environ)
        return {
            name: value
            for name, value in environ.items()
            if name in more or (allowed.fullmatch(_folded(name)) and self._harmless(name, value))
        }

    def _harmless(self, name: str, value: str) -> bool:
        if _INPUT.fullmatch(name) or (not self.secrets and is_named_like_a_secret(name)):
            return False
        secret = _SECRET_PROXY if _folded(name).endswith("_PROXY") else _SECRET_VALUE
        return not secret.search(value) or bool(re.fullmatch(self.urls, _folded(name)))


def is_named_like_a_secret(name: str) -> bool:
    """Return True for `MY_TOKEN`, `NIX_GITHUB_PRIVATE_PASSWORD` and the like."""
    return bool(_SECRET_NAME.fullmatch(name))


def _folded(name: str) -> str:
    """Proxies are read in either case: https://curl.se/docs/manpage.html#ENVIRONMENT."""
    return name.upper() if name.lower().endswith("_proxy") else name


def with_partners(names: frozenset[str], environ: Mapping[str, str]) -> frozenset[str]:
    """These names, and those of `environ` that belong to one of them."""
    pairs = {pair for name in names if (pair := _pair_of(name))}
    return names | {name for name in environ if _pair_of(name) in pairs}


def _pair_of(name: str) -> str:
    return next((found[1] for pattern in _TOGETHER if (found := re.fullmatch(pattern, name))), "")


NIX: Final = Allowed(f"{_BASE} {_NETWORK} {_SSH} {_GIT} {_NIX}", _MAY_HOLD_A_URL)
IMPURE: Final = Allowed(f"{NIX.patterns} {_EVENT}", _MAY_HOLD_A_URL)
"""Nix's where the evaluation may see the environment."""

GIT: Final = Allowed(f"{_BASE} {_GIT}", _MAY_HOLD_A_URL)
"""Git's where it reads the repository on this disk."""

PODMAN: Final = Allowed(f"{_BASE} {_NETWORK} {_SSH} {_CONTAINERS}")
OWN_SCRIPT: Final = Allowed(
    f"{_BASE} {_NETWORK} {_CONTAINERS} {_EVENT} DOCKER_(HOST|CONTEXT|CONFIG|CERT_PATH|TLS_VERIFY|API_VERSION)"
)
"""That of a script which the user names as the source; `pass-env` names more."""

GIT_COMMAND: Final = (
    "git",
    *("-c", "safe.bareRepository=explicit"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "log.showSignature=false"),
)
"""Git, where it obeys no configuration that somebody has committed: a folder that looks like a bare repository can name
programs to run, https://git-scm.com/docs/git-config#Documentation/git-config.txt-safebareRepository.
"""

PLAIN: Final = Allowed(_BASE)
"""That of a program which only looks at this machine."""

SCRIPT: Final[Mapping[str, str]] = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",  # noqa: S108 - it is not ours: in its namespaces it is empty
    "TMPDIR": "/tmp",  # noqa: S108
    "LANG": "C.UTF-8",
    "PYTHONUTF8": "1",
}
"""All that a script of nixpkgs gets. Its Python is to write names of files as they are, whatever the locale says.

https://docs.python.org/3/using/cmdline.html#envvar-PYTHONUTF8
"""


def of_helper(name: str) -> Allowed:
    """What `docker-credential-NAME` may have: where it takes credentials from, and variables that bear its name.

    Never the inputs of this run. One that nobody knows may be for any cloud or for this CI.
    """
    known = _OF_WINDOWS.sub("", name)
    own = re.sub(r"[^A-Z0-9]+", "_", known.upper())
    source = _CLOUDS[known] if known in _CLOUDS else f"{' '.join(_CLOUDS.values())} CI_.* KUBE.* VAULT_.*"
    return Allowed(
        f"{_BASE} {_NETWORK} {_SSH} {_KEEPERS} {source} {own}_.* DOCKER_CREDENTIAL_.*", ".*", secrets=True
    )
