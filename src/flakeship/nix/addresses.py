"""Addresses as Nix takes them, fit to be shown: without what may be a secret in them."""

from __future__ import annotations

import re
from typing import Final

from flakeship.redaction import MASK

_PLAIN: Final = frozenset(
    {
        *(
            "allRefs",
            "dir",
            "exportIgnore",
            "host",
            "lastModified",
            "lfs",
            "name",
            "narHash",
            "path",
            "ref",
            "rev",
        ),
        *("revCount", "shallow", "submodules", "treeHash", "unpack", "url", "verifyCommit"),
    }
)
"""Parameters of a flake's address that Nix knows. The value of any other belongs to a server, and may be a token.

https://nix.dev/manual/nix/latest/command-ref/new-cli/nix3-flake#types
"""


def without_secrets(url: str) -> str:
    """Remove the password from a URL, and over http the user name too, which may be a token; mask what servers are told.

    Over ssh the user name is `git` and belongs to the address.
    """
    url = re.sub(r"(https?://)[^/\s]*@", r"\1", url, flags=re.IGNORECASE)
    url = re.sub(r"(://[^/@:]*):[^/\s]*@", r"\1@", url)
    return re.sub(r"([?&])([^=&#]*)=([^&#]*)", _masked, url)


def _masked(parameter: re.Match[str]) -> str:
    return parameter[0] if parameter[2] in _PLAIN else f"{parameter[1]}{parameter[2]}={MASK}"
