"""Secrets for private inputs that turn out empty: CI gives an empty text for a secret that does not exist, or that it keeps from the run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from flakeship import events
from flakeship.settings.declaration import Settings

_TOKENS: Final = re.compile(r"\s*(?:extra-)?access-tokens\s*=(?P<tokens>.*)")
_HINT: Final = "check the name of the secret: one that does not exist is empty, and one that CI keeps from this run is, too"


def tell_of_empty_secrets(settings: Settings, environ: Mapping[str, str], emit: events.Emit) -> None:
    """Warn before Nix fetches anything: what it says afterwards asks for what the user believes to have given."""
    for host in _without_token(settings.nix_config):
        emit(events.Warned(f"nix-config: access-tokens has an empty token for {host}", _HINT))
    if settings.ssh_known_hosts and not settings.ssh_key and not environ.get("SSH_AUTH_SOCK"):
        emit(events.Warned("ssh-known-hosts is given, ssh-key is empty, and there is no agent", _HINT))


def _without_token(lines: Sequence[str]) -> Iterator[str]:
    for line in (line for text in lines for line in text.splitlines()):
        if hit := _TOKENS.fullmatch(line):
            for word in hit["tokens"].split():
                host, given, token = word.partition("=")
                if given and not token.removeprefix("PAT:").removeprefix("OAuth2:"):
                    yield host
