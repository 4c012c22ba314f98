"""The grammar of image references, and the host that serves the API of a registry.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests has the grammar of repositories
and tags, https://github.com/distribution/reference that of the registry before them.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from flakeship.errors import UsageError
from flakeship.image.model import Digest, parse_digest

TRANSPORT: Final = "docker://"
"""The prefix of an image in a registry, https://github.com/containers/image/blob/main/docs/containers-transports.5.md."""

DOCKER_HUB: Final = "docker.io"
_HUB_NAMES: Final = frozenset(
    {"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}
)
_API_HOSTS: Final = {DOCKER_HUB: "registry-1.docker.io"}

_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(rf"{_PART}(?:/{_PART})*")
TAG_PATTERN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
"""A tag, for `fullmatch`."""

_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST: Final = re.compile(
    rf"(?P<host>{_LABEL}(?:\.{_LABEL})*|\[(?P<ipv6>[0-9A-Fa-f:.]+)\])(?::(?P<port>[0-9]{{1,5}}))?"
)
_LONGEST: Final = 255


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference `registry/repository[:tag][@digest]`. `registry` is the name that people use (`docker.io`)."""

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse a reference without assuming a tag. A UsageError says which rule is broken and what to write."""
        if why := _foreign(text):
            raise _wrong(text, why)
        if "://" in text:
            raise _wrong(text, "it is a URL", f"leave the {text.partition('://')[0]}:// out")
        name, at, digest = text.partition("@")
        registry, rest = _split_registry(text, name)
        repository, colon, tag = rest.partition(":")
        if colon and repository and not tag:
            raise _wrong(
                text,
                "no tag stands behind the colon",
                "write a tag there, and check that what it comes from is not empty; or leave the colon out",
            )
        if registry == DOCKER_HUB and "/" not in repository:
            repository = f"library/{repository}"
        _check_repository(text, repository, f"{registry}/{repository}")
        return cls(
            registry, repository, check_tag(tag) if colon else None, _digest(text, digest) if at else None
        )

    @property
    def name(self) -> str:
        """Return the reference without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def api_host(self) -> str:
        """Return the host that serves the API of the registry, `name[:port]`."""
        return api_host(self.registry)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return self.name + tag + (f"@{self.digest}" if self.digest else "")


def api_host(registry: str) -> str:
    """Return the host that serves the API of a registry: registry-1.docker.io for docker.io, else the registry."""
    return _API_HOSTS.get(registry, registry)


def normal_registry(text: str) -> str:
    """Return the name that references use for a registry in a configuration (`https://index.docker.io/v1/`)."""
    scheme, separator, rest = text.strip().partition("://")
    host = (rest if separator else scheme).partition("/")[0].lower()
    return DOCKER_HUB if host in _HUB_NAMES else host


def names_a_host(registry: str) -> bool:
    """Tell whether a configuration names a registry that some reference can be of; `$CI_REGISTRY`, not filled in, is none."""
    return _HOST.fullmatch(normal_registry(registry)) is not None


# docs/decisions.md#capitals-of-a-repository-are-lowered
def with_lower_repository(text: str) -> str:
    """The reference with its repository in lower case; as it is where capitals make a host of the first part (`Me/app`)."""
    name, at, digest = text.partition("@")
    first, slash, rest = name.partition("/")
    is_host = bool(slash and set(first) & set(".:["))
    if not text.isascii() or "://" in text or (slash and not is_host and first != first.lower()):
        return text
    repository, colon, tag = (rest if is_host else name).partition(":")
    return f"{first + slash if is_host else ''}{repository.lower()}{colon}{tag}{at}{digest}"


def with_tag_suffix(reference: str, suffix: str) -> str:
    """Append `suffix` to the tag of a reference as its user wrote it; a missing tag counts as `latest`."""
    tagged = not suffix or Reference.parse(reference).tag
    return f"{reference}{suffix}" if tagged else f"{reference}:latest{suffix}"


def check_tag(tag: str) -> str:
    """Return the tag. UsageError is raised if it is not a valid tag."""
    if not TAG_PATTERN.fullmatch(tag):
        start = "" if not tag or tag[0] not in ".-" else "; it may not begin with a period or a dash"
        long = f"; it is {len(tag)} long" if len(tag) > 128 else ""
        raise UsageError(
            f"{_shown(tag)} is not a tag{start}{long}",
            hint="write 1 to 128 letters, digits, underscores, periods and dashes",
        )
    return tag


def _foreign(text: str) -> str:
    """Say what in the text no reference may hold; empty if it holds nothing of the kind."""
    if not text:
        return "it is empty"
    if any(letter.isspace() for letter in text):
        return "it holds a space or a line break"
    odd = next((letter for letter in text if not (letter.isascii() and letter.isprintable())), "")
    kind = "a control character" if odd.isascii() else "a character outside ASCII"
    return f"it holds {odd!a}, {kind}" if odd else ""


def _split_registry(text: str, name: str) -> tuple[str, str]:
    """Return the registry and the rest of a name. UsageError is raised for a malformed host.

    The first part is a registry if it has a dot or a port, is localhost, or has an upper-case letter, as in
    https://github.com/distribution/reference/blob/main/normalize.go.
    """
    first, slash, rest = name.partition("/")
    if not slash or not (set(first) & set(".:[") or first == "localhost" or first != first.lower()):
        return DOCKER_HUB, name
    hit = _HOST.fullmatch(first)
    if (
        not hit
        or (hit["port"] and not 0 < int(hit["port"]) < 65536)
        or (hit["ipv6"] and not _is_ipv6(hit["ipv6"]))
    ):
        raise _wrong(text, f"{_shown(first)} is not a host with an optional port")
    return normal_registry(first), rest


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _check_repository(text: str, repository: str, name: str) -> None:
    if len(name) > _LONGEST:
        raise _wrong(text, f"its name is {len(name)} characters long, and {_LONGEST} is the limit")
    if _REPOSITORY.fullmatch(repository):
        return
    own = repository.removeprefix("library/")  # docker.io/name means docker.io/library/name
    if _REPOSITORY.fullmatch(repository.lower()):
        first, slash, _ = text.partition("/")
        named = bool(slash and not set(first) & set(".:[") and first != first.lower())
        lowered = text.replace(own, own.lower())
        raise _wrong(
            text,
            "a repository's name must be lower case",
            f"write the host before it: docker.io/{lowered.replace(first, first.lower())}, or that of another registry"
            if named
            else f"write {lowered}",
        )
    if not repository or "//" in repository or repository.startswith("/") or repository.endswith("/"):
        raise _wrong(text, "a part of the repository's name is empty")
    raise _wrong(
        text,
        f"{_shown(repository)} is not a repository's name",
        "write lower-case letters and digits, with single periods, one or two underscores, or dashes between them",
    )


def _digest(text: str, digest: str) -> Digest:
    try:
        return parse_digest(digest)
    except ValueError as error:
        whole = re.fullmatch(r"[0-9a-f]{64}", digest)
        raise _wrong(
            text,
            str(error),
            f"write {text.replace(digest, f'sha256:{digest}')}"
            if whole
            else "write behind the @ the digest of an image, sha256: and 64 hex digits, and check that what it comes from is not empty",
        ) from error


def _shown(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:99] + "…")


def _wrong(text: str, why: str, hint: str = "") -> UsageError:
    return UsageError(
        f"{_shown(text)} is not an image reference: {why}",
        hint=hint or "write a reference such as ghcr.io/owner/name:tag",
    )
