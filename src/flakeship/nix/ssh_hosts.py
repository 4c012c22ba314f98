"""Which hosts ssh may speak to: lines of known_hosts, and the keys of three well-known hosts.

https://man.openbsd.org/sshd.8#SSH_KNOWN_HOSTS_FILE_FORMAT
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from flakeship.errors import UsageError

# docs/decisions.md#three-hosts-are-known-to-ssh
WELL_KNOWN: Final = {
    "github.com": "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
    "gitlab.com": "AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf",
    "codeberg.org": "AAAAC3NzaC1lZDI1NTE5AAAAIIVIC02vnjFyL+I4RHfvIGNtOgJMe769VTF1VR4EB3ZB",
}
"""Ed25519 keys by host, as each of them publishes it: docs.github.com (GitHub's SSH key fingerprints), docs.gitlab.com
(SSH known_hosts entries), docs.codeberg.org (SSH fingerprints).
"""

_MARKERS: Final = ("@cert-authority", "@revoked")
_HINT: Final = "write lines of known_hosts, `HOST TYPE KEY`: `ssh-keyscan HOST` prints them; compare them with what the host publishes"


@dataclass(frozen=True, slots=True)
class _Line:
    """`hosts` are patterns, or one hash of a name."""

    hosts: tuple[str, ...]
    text: str

    def names(self, host: str) -> bool:
        return any(_is(pattern, host) for pattern in self.hosts)


def known_hosts(lines: Sequence[str]) -> str:
    """Return the text of a known_hosts file: these lines, and the well-known hosts that none of them names.

    UsageError for a line that ssh would pass over without a word.
    """
    read = [_read(line, number) for number, line in enumerate(lines, 1)]
    added = (
        f"{host} ssh-ed25519 {key}"
        for host, key in WELL_KNOWN.items()
        if not any(line.names(host) for line in read)
    )
    return "".join(f"{text}\n" for text in (*(line.text for line in read), *added))


def found_by_keygen(printed: str) -> str:
    """`TYPE KEY` of the first line that `ssh-keygen -F HOST` printed; empty where it found none, or only a key that is revoked.

    `@cert-authority TYPE KEY` where that is the line of a certificate authority: no host has its key, but the host is known.
    """
    for line in printed.splitlines():
        words = line.split()
        if not words or words[0] in ("#", "@revoked"):
            continue
        fields = words[words[0] in _MARKERS :]
        if len(fields) >= 3 and is_host_key(fields[1], fields[2]):
            return " ".join((*words[: len(words) - len(fields)], *fields[1:3]))
    return ""


def _read(line: str, number: int) -> _Line:
    words = line.split()
    if words[0].startswith("@") and words[0] not in _MARKERS:
        raise _refused(number, f"begins with {words[0]}, and {' and '.join(_MARKERS)} are all that there is")
    fields = words[words[0] in _MARKERS :]
    if "PRIVATE KEY" in line:
        raise _refused(number, "is of a private key, which belongs into ssh-key")
    if len(fields) >= 2 and fields[1].startswith("AAAA"):
        raise _refused(number, "does not begin with a host")
    if len(fields) < 3:
        raise _refused(number, "has not the host, the type and the key")
    hosts, kind, key = fields[:3]
    if not is_host_key(kind, key):
        raise _refused(number, "holds no key of the type that it names")
    return _Line(tuple(hosts.split(",")), line)


def is_host_key(kind: str, key: str) -> bool:
    """Whether `key` is Base64 of a key of the type `kind`, with which it begins (RFC 4253, section 6.6)."""
    try:
        data = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return False
    return data[4 : 4 + int.from_bytes(data[:4], "big")] == kind.encode()


def _is(pattern: str, host: str) -> bool:
    if not pattern.startswith("|1|"):
        name = pattern.removesuffix(":22").strip("[]")
        return fnmatch.fnmatchcase(host, name.lower())
    try:
        salt, wanted = map(base64.b64decode, pattern.split("|")[2:4])
    except ValueError:
        return False
    return hmac.digest(salt, host.encode(), hashlib.sha1) == wanted


def _refused(number: int, why: str) -> UsageError:
    return UsageError(f"ssh-known-hosts, line {number} {why}", hint=_HINT)
