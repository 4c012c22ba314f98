"""The config of an image as engines read it: which keys they know, and the type that each has.

Engines are written in Go, whose encoding/json finds a field without regard to case, and reads two keys that are one
field into it one after the other: https://pkg.go.dev/encoding/json#Unmarshal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeAlias


@dataclass(frozen=True, slots=True)
class Leaf:
    """A type of Go. `name` is the word of messages for it, `items` the type of what is in it."""

    name: str
    kind: tuple[type, ...]
    items: type | None = None
    nullable: bool = False
    """Whether null takes away what was read before; a plain value of Go stays what it is."""


Fields: TypeAlias = "Mapping[str, Leaf | Fields]"
"""The fields of a struct by their names in Go."""

_TEXT: Final = Leaf("str", (str,))
_FLAG: Final = Leaf("bool", (bool,))
_WHOLE: Final = Leaf("int", (int,))
_TEXTS: Final = Leaf("list", (list,), str, nullable=True)
_SET: Final = Leaf("dict", (dict,), dict, nullable=True)
_TEXT_BY_NAME: Final = Leaf("dict", (dict,), str, nullable=True)

_HEALTHCHECK: Final[Fields] = {
    "Test": _TEXTS,
    "Interval": _WHOLE,
    "Timeout": _WHOLE,
    "StartPeriod": _WHOLE,
    "StartInterval": _WHOLE,
    "Retries": _WHOLE,
}

# https://github.com/opencontainers/image-spec/blob/main/specs-go/v1/config.go
_OF_IMAGE_SPEC: Final[Fields] = {
    "User": _TEXT,
    "ExposedPorts": _SET,
    "Env": _TEXTS,
    "Entrypoint": _TEXTS,
    "Cmd": _TEXTS,
    "Volumes": _SET,
    "WorkingDir": _TEXT,
    "Labels": _TEXT_BY_NAME,
    "StopSignal": _TEXT,
    "ArgsEscaped": _FLAG,
}
# https://github.com/moby/moby/blob/v28.5.2/api/types/container/config.go
_OF_DOCKER: Final[Fields] = {
    "Hostname": _TEXT,
    "Domainname": _TEXT,
    "AttachStdin": _FLAG,
    "AttachStdout": _FLAG,
    "AttachStderr": _FLAG,
    "Tty": _FLAG,
    "OpenStdin": _FLAG,
    "StdinOnce": _FLAG,
    "Healthcheck": _HEALTHCHECK,
    "Image": _TEXT,
    "NetworkDisabled": _FLAG,
    "MacAddress": _TEXT,
    "OnBuild": _TEXTS,
    "StopTimeout": Leaf("int", (int,), nullable=True),
    # docker takes a text here too, as it did for Entrypoint and Cmd before image-spec
    "Shell": Leaf("list", (list, str), str, nullable=True),
}
RUNTIME: Final[Fields] = {**_OF_IMAGE_SPEC, **_OF_DOCKER}
"""The fields of `config`, which say how a container starts."""

_ANY: Final = Leaf("", (object,))
DOCUMENT: Final[Fields] = {
    "created": _ANY,
    "author": _ANY,
    "architecture": _ANY,
    "variant": _ANY,
    "os": _ANY,
    "os.version": _ANY,
    "os.features": Leaf("list", (list,), str, nullable=True),
    "config": RUNTIME,
    "rootfs": {"type": _ANY, "diff_ids": Leaf("list", (list,), nullable=True)},
    "history": Leaf("list", (list,), nullable=True),
}
"""The fields of the whole document."""
HISTORY: Final[Fields] = {
    "created": _ANY,
    "author": _ANY,
    "created_by": _ANY,
    "comment": _ANY,
    "empty_layer": _ANY,
}
"""The fields of an entry of `history`."""

_DURATIONS: Final = frozenset({"Interval", "Timeout", "StartPeriod", "StartInterval"})
_LIMIT: Final = 1 << 63


class WrongTypeError(ValueError):
    """A value is of a type that engines do not read. `key` is where it stands, `help` what to write, if that is known."""

    def __init__(self, key: str, why: str, help: str = "") -> None:  # noqa: A002  what it is
        super().__init__(f"{key} {why}")
        self.key, self.help = key, help


def as_engines_read(document: Mapping[str, Any], fields: Fields = DOCUMENT) -> dict[str, Any]:
    """Return the document with each field under Go's name of it; what is no field stays under its own.

    Of two keys that are one field the later wins, and objects are merged, as in Go. Types are not looked at.
    """
    found: dict[str, Any] = {}
    for key, value in document.items():
        name = field_of(key, fields)
        known = fields.get(name)
        read = (
            as_engines_read(value, known) if isinstance(known, Mapping) and isinstance(value, dict) else value
        )
        found[name] = _merged(found[name], read, known) if name in found else read
    if isinstance(found.get("history"), list) and fields is DOCUMENT:
        found["history"] = [
            as_engines_read(entry, HISTORY) if isinstance(entry, dict) else entry
            for entry in found["history"]
        ]
    return found


def check_types(runtime: Mapping[str, Any], fields: Fields = RUNTIME, *, within: str = "config") -> None:
    """WrongTypeError for the first value that docker's or image-spec's types do not take; null is of every type.

    All keys are looked at: of two that are one field, Go reads both.
    """
    for key, value in runtime.items():
        known = fields.get(field_of(key, fields))
        if known is None or value is None:
            continue
        where = f"{within}.{key}"
        if isinstance(known, Mapping):
            if not isinstance(value, dict):
                raise WrongTypeError(where, f"is {_kind(value)}, and docker reads an object there")
            check_types(value, known, within=where)
        else:
            _check(where, field_of(key, fields), value, known)


def _check(where: str, name: str, value: Any, leaf: Leaf) -> None:
    if type(value) not in leaf.kind:  # in Python, True is an int
        whose = "image-spec" if name in _OF_IMAGE_SPEC else "docker"
        help_ = "nanoseconds as a whole number, 30 s are 30000000000" if name in _DURATIONS else ""
        raise WrongTypeError(where, f"is {_kind(value)}, {whose} wants {leaf.name}", help_)
    if isinstance(value, int) and not -_LIMIT <= value < _LIMIT:
        raise WrongTypeError(where, "is a number of more than 64 bits")
    if leaf.items and not all(item is None or isinstance(item, leaf.items) for item in _items(value)):
        noun, help_ = ("a string", "toString helps") if leaf.items is str else ("an object", "")
        raise WrongTypeError(where, f"holds a value that is not {noun}", help_)


def _kind(value: Any) -> str:
    return type(value).__name__


def _items(value: Any) -> Iterator[Any]:
    match value:
        case dict():
            yield from value.values()
        case list():
            yield from value
        case _:
            pass


def _merged(before: Any, after: Any, known: Leaf | Fields | None) -> Any:
    """What Go makes of a field that it reads a second time."""
    if after is None:
        return before if isinstance(known, Leaf) and not known.nullable else None
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return after
    if not isinstance(known, Mapping):
        return {**before, **after}
    return {
        **before,
        **{
            key: _merged(before[key], value, known.get(key)) if key in before else value
            for key, value in after.items()
        },
    }


def field_of(key: str, fields: Fields = DOCUMENT) -> str:
    """Return Go's name of the field that a key means; the key itself where it means none."""
    return key if key in fields else _names(tuple(fields)).get(_folded(key), key)


@cache
def _names(fields: tuple[str, ...]) -> Mapping[str, str]:
    return {_folded(name): name for name in fields}


def _folded(text: str) -> str:
    """As Go's json folds names: the long s and the sign of kelvin are letters of ASCII by it, and nothing else is."""
    return text.lower().replace("\u017f", "s")
