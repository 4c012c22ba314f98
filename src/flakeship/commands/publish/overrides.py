"""The inputs that say how a container starts, read and checked before anything is built."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from flakeship import events
from flakeship.commands.platforms import platform_of, platforms_of
from flakeship.errors import UsageError
from flakeship.image.healthcheck import parse_healthcheck
from flakeship.image.model import Image
from flakeship.image.override import Overrides, overridden, platform_in
from flakeship.settings.declaration import Settings

# https://specs.opencontainers.org/image-spec/config/#properties: user, uid, user:group, uid:gid, …
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\$?(:[A-Za-z0-9_][A-Za-z0-9._-]*)?", re.ASCII)
_PORT: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp|sctp))?", re.ASCII)
# Those of Linux, signal(7): an engine refuses to stop a container by any other
_SIGNAL: Final = re.compile(
    r"SIG(ABRT|ALRM|BUS|CHLD|CLD|CONT|FPE|HUP|ILL|INT|IO|IOT|KILL|PIPE|POLL|PROF|PWR|QUIT|SEGV|STKFLT|STOP|SYS|TERM"
    r"|TRAP|TSTP|TTIN|TTOU|URG|USR1|USR2|VTALRM|WINCH|XCPU|XFSZ|RTMIN(\+([1-9]|1[0-5]))?|RTMAX(-([1-9]|1[0-4]))?)"
    r"|[1-9]|[1-5][0-9]|6[0-4]",
    re.ASCII,
)
_PORTS_LIMIT: Final = 1000


def overrides_of(settings: Settings, emit: events.Emit = events.ignore) -> Overrides:
    """UsageError for a malformed one, a Warned event for one that most runtimes will not see."""
    healthcheck = parse_healthcheck(settings.healthcheck, _json_list) if settings.healthcheck else None
    if healthcheck and settings.media_types == "oci":
        emit(
            events.Warned(
                "image-spec has no health check: docker reads it in an image with OCI's media types, podman and Kubernetes do not",
                "set `media-types: docker` for engines that only look there, or leave `healthcheck` out",
            )
        )
    env = tuple(map(_variable, settings.env))
    values = Counter(name for name, _ in dict.fromkeys(env))
    for name in values:
        if values[name] > 1:
            emit(events.Notice(f"env: {name} has several values, of which the last is taken"))
    override, chosen = settings.override_platform, platforms_of(settings.platforms)
    return Overrides(
        entrypoint=_command("entrypoint", settings.entrypoint),
        cmd=_command("cmd", settings.cmd),
        env=env,
        user=_matching("user", settings.user, _USER, "write a name or number, or USER:GROUP"),
        workdir=_absolute("workdir", settings.workdir),
        ports=tuple(port for text in settings.expose for port in _ports(text)),
        volumes=tuple(map(_volume, settings.volumes)),
        stop_signal=_matching(
            "stop-signal", settings.stop_signal.upper(), _SIGNAL, "write SIGTERM, SIGRTMIN+3 or a number"
        ),
        healthcheck=healthcheck,
        platform=platform_of(override, name="override-platform") if override else None,
        chosen=chosen[0] if len(chosen) == 1 else None,
    )


def overridden_by(image: Image, *, overrides: Overrides, emit: events.Emit) -> Image:
    """The image with all of them. A Notice where it is labelled anew, a Warned event where an index did that before."""
    wanted, said = overrides.platform, image.platform
    if wanted and not said.serves(wanted):
        emit(
            events.Notice(
                f"the config says that the image is for {said}; it is published as one for {wanted}"
            )
        )
    elif overrides.chosen and not wanted and (own := platform_in(image.config)).normal[:2] != said.normal[:2]:
        emit(
            events.Warned(
                f"the index says that the image is for {said}, but its config says {own}; it is published as one for {said}",
                f"write `override-platform: {own}` if its programs are for that",
            )
        )
    return overridden(image, overrides)


def _command(name: str, text: str) -> tuple[str, ...] | None:
    """Read a JSON list, or words as a POSIX shell splits them; no shell is added. None for empty text."""
    if not text:
        return None
    try:
        words = _json_list(text) if text.startswith("[") else tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(
            f"{name}: {text!r} can't be split into words: {error}", hint='write a JSON list: ["a", "b c"]'
        ) from error
    except UsageError as error:
        raise UsageError(f"{name}: {error.message}", hint=error.hint) from error
    return _printable(name, words)


def _json_list(text: str) -> tuple[str, ...]:
    try:
        words = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{text!r:.200} begins like a JSON list, but is not JSON: {error}", hint='write ["a", "b c"]'
        ) from error
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise UsageError(f"{text!r} is not a list of strings", hint='put each word in quotes: ["sleep", "5"]')
    return tuple(words)


def _printable(name: str, words: Sequence[str]) -> tuple[str, ...]:
    if any("\0" in word for word in words):
        raise UsageError(
            f"{name}: a word holds a NUL, which can't be passed to a program", hint="leave it out"
        )
    if any("\ud800" <= character <= "\udfff" for word in words for character in word):
        raise UsageError(f"{name}: a word holds half of a surrogate pair", hint="write the character itself")
    return tuple(words)


def _variable(text: str) -> tuple[str, str | None]:
    if text.startswith("-") and "=" not in text:
        name, value = text[1:], None
    else:
        name, equals, value = text.partition("=")
        value = value if equals else None
        if not equals:
            raise UsageError(f"env: {text!r} has no value", hint="write KEY=VALUE, or -KEY to remove one")
    if not name or any(character.isspace() for character in name) or "\0" in text:
        raise UsageError(f"env: {text!r} names no variable", hint="write KEY=VALUE, or -KEY to remove one")
    return name, value


def _ports(text: str) -> Iterator[tuple[str, bool]]:
    wanted = not text.startswith("-")
    hit = _PORT.fullmatch(text.removeprefix("-").lower())
    first = int(hit[1]) if hit else 0
    last = int(hit[2] or first) if hit else 0
    if not hit or not 0 < first <= last < 65536 or last - first >= _PORTS_LIMIT:
        raise UsageError(
            f"expose: {text!r} is not a port",
            hint="write 8080, 53/udp or 8000-8010; -8080 takes one away",
        )
    yield from ((f"{port}/{hit[3] or 'tcp'}", wanted) for port in range(first, last + 1))


def _volume(text: str) -> tuple[str, bool]:
    return _absolute("volumes", text.removeprefix("-")), not text.startswith("-")


def _absolute(name: str, path: str) -> str:
    if path and (not path.startswith("/") or not path.isprintable() or ".." in path.split("/")):
        raise UsageError(
            f"{name}: {path!r} is not an absolute path",
            hint="write a path that begins with a slash and has no `..`",
        )
    return path


def _matching(name: str, text: str, pattern: re.Pattern[str], hint: str) -> str:
    if text and not pattern.fullmatch(text):
        raise UsageError(f"{name}: {text!r} is not a valid {name}", hint=hint)
    return text
