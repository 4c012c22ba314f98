"""How an input becomes another: by bytes, by the values of a JSON document, and by the headers of a tar."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

_BLOCK: Final = 512
_NUMBERS: Final = (0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**400, 0.5, -0.0, 1e308)
_TEXTS: Final = (
    "",
    " ",
    "\0",
    "\ud800",
    "\u202e",
    "\n::error::x",
    "a" * 5000,
    "../../etc/passwd",
    "/dev/zero",
    "sha256:" + "0" * 64,
    "é" * 300,
    "9" * 5000,
    "1e999999",
    "(" * 200,
    "{{" * 100,
)


def mutated(data: bytes, chance: random.Random, words: Sequence[bytes] = ()) -> bytes:
    """One to five changes at places of its choice; `words` are what the grammar knows."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 5)):
        _change(found, chance, words)
    return bytes(found)


def _change(data: bytearray, chance: random.Random, words: Sequence[bytes]) -> None:
    start = chance.randrange(len(data) + 1)
    end = min(len(data), start + int(chance.expovariate(1 / 16)))
    match chance.randrange(9):
        case 0 if data:
            data[start % len(data)] ^= 1 << chance.randrange(8)
        case 1:
            data[start:end] = b""
        case 2:
            data[start:start] = chance.randbytes(chance.randint(1, 8))
        case 3 if words:
            data[start:end] = chance.choice(words)
        case 4:
            data[start:start] = data[start:end] * chance.choice((1, 2, 50, 2000))
        case 5:
            data[start:start] = (chance.choice(words) if words else b",") * chance.choice((2, 100, 3000))
        case 6:
            del data[start:]
        case 7:
            data[start:end] = b"9" * chance.choice((1, 20, 5000))
        case _:
            data[start:end] = bytes(
                chance.choices(b"\0\t\r\n \"'\\%,;:=/@{}[]()*?+|^$-_.<>~", k=chance.randint(1, 40))
            )
    del data[1 << 20 :]


def mutated_json(document: Any, chance: random.Random) -> bytes:
    """Some values are others, of any type; now and then the text is mutated as well."""
    changed = copy.deepcopy(document)
    for _ in range(chance.randint(1, 3)):
        changed = _other(changed, chance)
    data = json.dumps(changed, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    return mutated(data, chance, (b'{"a":', b"[", b"null", b'"\\ud800"')) if chance.random() < 0.3 else data


def _other(value: Any, chance: random.Random) -> Any:
    """The document with one value replaced, somewhere within."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        if chance.random() < 0.1:
            return {name: inner for name, inner in value.items() if name != key}
        if chance.random() < 0.1:
            return {**value, chance.choice(_TEXTS): value[key]}
        return {**value, key: _other(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.85:
        place = chance.randrange(len(value))
        if chance.random() < 0.1:
            times = chance.choice((0, 2, 300))
            return value * (times if len(repr(value)) < 2000 else 1)
        return [*value[:place], _other(value[place], chance), *value[place + 1 :]]
    odd: Sequence[Callable[[], Any]] = (
        lambda: chance.choice(_NUMBERS),
        lambda: chance.choice(_TEXTS),
        lambda: chance.choice((None, True, False)),
        lambda: chance.choice(([], {}, [value], {"": value}, [[]] * 100)),
        lambda: _nested(chance.choice((3, 60, 70, 900))),
        lambda: f"{value}{chance.choice(_TEXTS)}",
    )
    return chance.choice(odd)()


def _nested(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


def with_checksums(tar: bytes) -> bytes:
    """The tar with the checksum of each header made right, so that more of it is read than the first mutated one."""
    found = bytearray(tar)
    for start in range(0, len(found) - _BLOCK + 1, _BLOCK):
        block = found[start : start + _BLOCK]
        if block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            found[start + 148 : start + 156] = b"%06o\0 " % sum(block)
    return bytes(found)
