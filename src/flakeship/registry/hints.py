"""Hints for the refusals of each registry; `ci` has those for the registries of CI platforms."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from flakeship.image.media_types import OCI
from flakeship.registry.errors import ErrorAnswer
from flakeship.registry.reference import DOCKER_HUB

_LOGIN: Final = "Log in before (docker login HOST), or give username and password."

_HINTS: Final = (
    (
        r"docker\.io",
        "Use an access token of Docker Hub with read and write rights as the password; the namespace is your user's or organisation's.",
    ),
    (
        r".*\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.amazonaws\.com(\.cn)?|public\.ecr\.aws",
        (
            "The repository must exist in ECR beforehand, and the role needs ecr:InitiateLayerUpload, ecr:UploadLayerPart, "
            "ecr:CompleteLayerUpload, ecr:BatchCheckLayerAvailability and ecr:PutImage; log in by aws-actions/amazon-ecr-login."
        ),
    ),
    (
        r".*-docker\.pkg\.dev|(.*\.)?gcr\.io",
        (
            "The repository must exist, and the account needs roles/artifactregistry.writer; the user is oauth2accesstoken "
            "with an access token as the password."
        ),
    ),
    (
        r".*\.azurecr\.io",
        "The identity needs the role AcrPush; log in by az acr login or a token of the registry.",
    ),
    (r"quay\.io", "Use a robot account with write permission to the repository."),
)


_UNKNOWN_TYPE: Final = frozenset({400, 404, 405, 406, 415, 422, 501})
"""How registries refuse a manifest of a media type that they do not know: each in its own way."""

_OF_SOMETHING_ELSE: Final = frozenset({"NAME_UNKNOWN", "NAME_INVALID", "TAG_INVALID", "DIGEST_INVALID"})


def hint_for_manifest(answer: ErrorAnswer, media_type: str, layers: Iterable[str]) -> str:
    """Say what may mend the refusal of a manifest by other media types; empty where these are not why.

    Registries of before 2018 know Docker's alone (https://github.com/dotnet/sdk-container-builds/issues/621), some of today
    OCI's alone (https://github.com/project-zot/zot/issues/724), and many no zstd. `layers` are the media types of layers.
    """
    if answer.status not in _UNKNOWN_TYPE or _OF_SOMETHING_ELSE & set(answer.codes):
        return ""
    if any(layer.endswith("+zstd") for layer in layers):
        return "If the registry takes no layers of zstd, which many don't, set `compression: gzip`."
    if media_type in (OCI.manifest, OCI.index):
        return "If the registry is too old for images of OCI, set `media-types: docker`."
    return "If the registry takes images of OCI alone, set `media-types: oci`."


def hint_for(registry: str, *, platform_hint: Callable[[str], str] = lambda _: "") -> str:
    """Say what usually mends a 401, a 403 or an unknown repository at a registry.

    `platform_hint` is asked about a host (without a port) that is not known here: CI platforms have registries too.
    """
    host = registry.partition(":")[0]
    known = (hint for pattern, hint in _HINTS if re.fullmatch(pattern, host))
    return next(known, "") or platform_hint(host) or _LOGIN.replace("HOST", registry)


def hint_for_implied(registry: str, repository: str, tag: str) -> str:
    """Say what a name without a host means, where nobody may push it: a repository of Docker Hub for Docker's own images.

    Empty for any other repository.
    """
    name = repository.removeprefix("library/")
    if registry != DOCKER_HUB or name == repository:
        return ""
    name = f"{name}:{tag}" if tag else name
    return (
        f"`{name}` means docker.io/library/{name}; put your registry and name in front (ghcr.io/owner/{name}), or, to load "
        f"it only, write `to: docker-daemon:{name}`"
    )
