"""Credentials for one registry, as a value."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and a secret, which its repr does not show. `kind` tells what the secret is.

    A "password" is for Basic and for token servers, an "identity" is a refresh token for token servers, and a "bearer" is
    sent to the registry as it is.
    """

    username: str
    secret: str = field(repr=False)
    kind: Literal["password", "identity", "bearer"] = "password"


def basic_authorization(credentials: Credentials) -> str:
    """Return the value of an Authorization header: https://www.rfc-editor.org/rfc/rfc7617."""
    pair = f"{credentials.username}:{credentials.secret}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"
