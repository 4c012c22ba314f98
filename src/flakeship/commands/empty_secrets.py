"""Secrets for private inputs that turn out empty: CI gives an empty text for a secret that does not exist, or that it keeps from the run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from flakeship import events
from flakeship.settings.declaration import Settings

_TOKENS: Final = re.compile(r"\s*(?:extra-)?access-tokens\s*=(?P<tokens>.*)")
_VARIABLE: Final = re.compile(r"\$(?:\w+|\{\w+\})")
_HINT: Final = "check the name of the secret: one that does not exist is empty, and one that CI keeps from this run is, too"
_EXPANDED: Final = "set FLAKESHIP_NIX_CONFIG among the `variables` of the job, where GitLab replaces `$NAME`; in an input it stays as it is"


def tell_of_empty_secrets(settings: Settings, environ: Mapping[str, str], emit: events.Emit) -> None:
    """Warn before Nix fetches anything: what it says afterwards asks for what the user believes to have given."""
    for host, token in _tokens(settings.nix_config):
        if not token:
            emit(events.Warned(f"nix-config: access-tokens has an empty token for {host}", _HINT))
        elif _VARIABLE.fullmatch(token):
            told = f"nix-config: the token of access-tokens for {host} is a variable's name, which nothing replaced"
            emit(events.Warned(told, _EXPANDED))
    keyless = not settings.ssh_key and not environ.get("SSH_AUTH_SOCK")
    if settings.ssh_known_hosts and keyless and not _keys_of_builders(settings.builders):
        emit(events.Warned("ssh-known-hosts is given, ssh-key is empty, and there is no agent", _HINT))


def _keys_of_builders(lines: Sequence[str]) -> bool:
    """Whether a machine may have a key of its own: in the third field of its line, or of a line in a file."""
    entries = [entry.split() for text in lines for entry in text.replace(";", "\n").splitlines()]
    return any(words[0].startswith("@") or words[2:3] not in ([], ["-"]) for words in entries if words)


def _tokens(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each host with its token, without the kind of token that GitLab wants in front."""
    for line in (line for text in lines for line in text.splitlines()):
        if hit := _TOKENS.fullmatch(line):
            for word in hit["tokens"].split():
                host, given, token = word.partition("=")
                if given:
                    yield host, token.removeprefix("PAT:").removeprefix("OAuth2:")
