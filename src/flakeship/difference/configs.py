"""The entries in which two configs differ: variables, labels, how the container starts.

https://github.com/opencontainers/image-spec/blob/main/config.md
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any, Final

from flakeship.difference.model import ConfigChange, Held
from flakeship.outside.moments import moment_of

_OWN: Final = "dev.flakeship."
_WORDS: Final = {
    "Entrypoint": "entrypoint",
    "Cmd": "cmd",
    "Env": "env",
    "Labels": "label",
    "User": "user",
    "WorkingDir": "workdir",
    "ExposedPorts": "expose",
    "Volumes": "volume",
    "StopSignal": "stop-signal",
    "Healthcheck": "healthcheck",
}
"""The members of `config` by the inputs that set them, in the order in which they are shown. Other members keep their own names."""

_LEFT_OUT: Final = frozenset({"config", "rootfs", "history", "os", "architecture", "variant"})


def config_changes(old: Held, new: Held) -> tuple[ConfigChange, ...]:
    """Return each entry that differs; what is malformed counts as one text. Annotations of flakeship's own are left out."""
    if not (old.is_image and new.is_image):
        return ()
    before, after = dict(_entries(old)), dict(_entries(new))
    keys = [*before, *(key for key in after if key not in before)]
    changed = [key for key in keys if before.get(key) != after.get(key)]
    order = {word: number for number, word in enumerate(_WORDS.values())}
    changed.sort(key=lambda key: (order.get(key[0], len(order)), key))
    return tuple(ConfigChange(*key, before.get(key), after.get(key)) for key in changed)


def _entries(held: Held) -> Iterator[tuple[tuple[str, str], str]]:
    runtime = held.config.get("config")
    for name, value in (runtime if isinstance(runtime, Mapping) else {}).items():
        if value not in (None, "", [], {}):
            yield from _members(_WORDS.get(name) or name, value)
    for name, value in held.config.items():
        if name not in _LEFT_OUT and value not in (None, ""):
            yield (name, ""), _moment(value) if name == "created" else _text(value)
    for key, value in held.annotations.items():
        if not key.startswith(_OWN):
            yield ("annotation", key), value


def _members(word: str, value: Any) -> Iterator[tuple[tuple[str, str], str]]:
    if word == "env" and isinstance(value, list):
        for entry in value:
            key, _, text = str(entry).partition("=")
            yield (word, key), text
    elif word in {"label", "expose", "volume"} and isinstance(value, Mapping):
        for key, text in value.items():
            yield (word, str(key)), _text(text) if word == "label" else ""
    else:
        yield (word, ""), _text(value)


def _moment(value: Any) -> str:
    """One moment in one spelling: tools write UTC as `Z` and as `+00:00`."""
    found = moment_of(value) if isinstance(value, str) else None
    return found.astimezone(UTC).isoformat().replace("+00:00", "Z") if found else _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
