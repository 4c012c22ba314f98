"""Credentials for one registry, as a value."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and a secret, which its repr does not show. `kind` tells what the secret is.

    A "password" is for Basic and for token servers, an "identity" is a refresh token for token servers, and a "bearer" is
    sent to the registry as it is. Bytes that are no UTF-8 are kept as surrogates, as in `os.environ`.
    """

    username: str
    secret: str = field(repr=False)
    kind: Literal["password", "identity", "bearer"] = "password"

    @property
    def unusable_because(self) -> str:
        """Why no request can carry them; empty where one can. It shows nothing of the secret."""
        try:
            (self.username + self.secret).encode(errors="surrogateescape")
        except UnicodeEncodeError:
            return "holds half of a surrogate pair, which is not text"
        # https://www.rfc-editor.org/rfc/rfc6750#section-2.1
        if self.kind == "bearer" and not (
            self.secret.isascii() and self.secret.isprintable() and " " not in self.secret
        ):
            return "holds blanks, line breaks or characters outside ASCII, which no HTTP header can carry"
        return ""


def basic_authorization(credentials: Credentials) -> str:
    """Return the value of an Authorization header: https://www.rfc-editor.org/rfc/rfc7617."""
    pair = f"{credentials.username}:{credentials.secret}".encode(errors="surrogateescape")
    return f"Basic {base64.b64encode(pair).decode()}"
