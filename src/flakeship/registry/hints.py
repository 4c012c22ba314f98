"""Hints for the refusals of each registry; `ci` has those for the registries of CI platforms."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from flakeship.image.media_types import OCI
from flakeship.registry.errors import ErrorAnswer
from flakeship.registry.reference import DOCKER_HUB

_LOGIN: Final = "log in (`docker login HOST` shows whether a password is accepted), or set `username`, and `password` to one that is valid (for a push: that may write)"

_HINTS: Final = (
    (
        r"docker\.io",
        "use an access token of Docker Hub with read and write rights as the password, and the name of your user or organisation as the namespace",
    ),
    (
        r".*\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.amazonaws\.com(\.cn)?|public\.ecr\.aws",
        (
            "create the repository in ECR first, log in by aws-actions/amazon-ecr-login, and allow the role ecr:InitiateLayerUpload, ecr:UploadLayerPart, "
            "ecr:CompleteLayerUpload, ecr:BatchCheckLayerAvailability and ecr:PutImage"
        ),
    ),
    (
        r".*-docker\.pkg\.dev|(.*\.)?gcr\.io",
        (
            "create the repository first, give the account roles/artifactregistry.writer, and log in as the user oauth2accesstoken "
            "with an access token as the password"
        ),
    ),
    (
        r".*\.azurecr\.io",
        "give the identity the role AcrPush, and log in by `az acr login` or with a token of the registry",
    ),
    (r"quay\.io", "use a robot account with write permission for the repository"),
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
        return "set `compression: gzip` if the registry takes no layers in zstd, which many don't"
    if media_type in (OCI.manifest, OCI.index):
        return "set `media-types: docker` if the registry is too old for OCI's images"
    return "set `media-types: oci` if the registry takes OCI's images only"


def hint_for(registry: str, *, platform_hint: Callable[[str], str] = lambda _: "") -> str:
    """Say what usually mends a 401, a 403 or an unknown repository at a registry.

    `platform_hint` is asked about a host (without a port) that is not known here: CI platforms have registries too.
    """
    host = registry.partition(":")[0]
    known = (hint for pattern, hint in _HINTS if re.fullmatch(pattern, host))
    return next(known, "") or platform_hint(host) or _LOGIN.replace("HOST", registry)


def hint_for_implied(registry: str, repository: str, tag: str) -> str:
    """Say what a name means that names no registry: a repository of Docker Hub for Docker's own images, or podman's `localhost/`.

    Empty for any other repository.
    """
    if registry == "localhost":
        name = f"localhost/{repository}:{tag or 'latest'}"
        return (
            f"write the port of a registry on this machine (localhost:5000/{repository}); or set `to: containers-storage:{name}` "
            "in place of `tags` to load it into podman only, which calls its own images so"
        )
    name = repository.removeprefix("library/")
    if registry != DOCKER_HUB or name == repository:
        return ""
    name = f"{name}:{tag}" if tag else name
    return (
        f"put your registry and name in front (ghcr.io/owner/{name}), since {name!r} means docker.io/library/{name}; or set "
        f"`to: docker-daemon:{name}` to load it only"
    )
