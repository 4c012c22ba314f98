"""Hints for the refusals of each registry; `ci` has those for the registries of CI platforms."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

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


def hint_for(registry: str, *, platform_hint: Callable[[str], str] = lambda _: "") -> str:
    """Say what usually mends a 401, a 403 or an unknown repository at a registry.

    `platform_hint` is asked about a host (without a port) that is not known here: CI platforms have registries too.
    """
    host = registry.partition(":")[0]
    known = (hint for pattern, hint in _HINTS if re.fullmatch(pattern, host))
    return next(known, "") or platform_hint(host) or _LOGIN.replace("HOST", registry)
