"""What to do when a registry refuses, told in each registry's own terms."""

from __future__ import annotations

import re
from typing import Final

_LOGIN: Final = "Log in before (docker login HOST), or give username and password."

_HINTS: Final = (
    (
        r"ghcr\.io",
        (
            "The job needs `permissions: packages: write`, and the package must be linked to this repository or grant it "
            "write access (package settings, Manage Actions access)."
        ),
    ),
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
    (
        r"registry\.gitlab\.com|.*gitlab.*",
        (
            "In GitLab CI, push to $CI_REGISTRY_IMAGE with CI_REGISTRY_USER and CI_REGISTRY_PASSWORD; elsewhere use a deploy "
            "token with write_registry."
        ),
    ),
)


def hint_for(registry: str) -> str:
    """What usually mends a 401, 403 or an unknown repository there."""
    known = (hint for pattern, hint in _HINTS if re.fullmatch(pattern, registry.partition(":")[0]))
    return next(known, _LOGIN.replace("HOST", registry))
