"""Ed25519 as Nix signs with it: https://www.rfc-editor.org/rfc/rfc8032, section 5.1.

Its time depends on the key, so it must not sign what others send it, on a machine where they can measure that: it signs
what a build made, within a job. docs/decisions.md#paths-are-signed-in-python
"""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache
from typing import Final, TypeAlias

_P: Final = 2**255 - 19
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_D: Final = -121665 * pow(121666, -1, _P) % _P
_ROOT: Final = pow(2, (_P - 1) // 4, _P)
_WINDOW: Final = 6
"""Bits of a scalar that one addition is for. The table of a point has 43 rows of 64 points, and is made in 30 ms."""

_Point: TypeAlias = tuple[int, int, int, int]
"""Extended coordinates: x = X/Z, y = Y/Z, x*y = T/Z. Section 5.1.4."""

_NEUTRAL: Final[_Point] = (0, 1, 1, 0)


@lru_cache(maxsize=4)
def public_of(seed: bytes) -> bytes:
    """Return the public key, 32 bytes, of a secret one, which is 32 bytes of chance."""
    return _encoded(_times(_base(), _secret(seed)[0]))


def sign(seed: bytes, message: bytes) -> bytes:
    """Return the signature, 64 bytes. Section 5.1.6."""
    scalar, prefix = _secret(seed)
    nonce = _number(prefix, message)
    first = _encoded(_times(_base(), nonce))
    return first + ((nonce + _number(first, public_of(seed), message) * scalar) % _ORDER).to_bytes(
        32, "little"
    )


def is_signature(public: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether a signature is one of this message by the key, which was checked by `is_point`. Section 5.1.7."""
    first, scalar = signature[:32], int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or scalar >= _ORDER:
        return False
    against = _times(_minus(public), _number(first, public, message))
    return _encoded(_add(_times(_base(), scalar), against)) == first


def is_point(public: bytes) -> bool:
    """Tell whether 32 bytes are a public key at all."""
    return len(public) == 32 and _decoded(public) is not None


def _number(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % _ORDER


@lru_cache(maxsize=4)
def _secret(seed: bytes) -> tuple[int, bytes]:
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little")
    return scalar & ((1 << 254) - 8) | 1 << 254, digest[32:]


def _add(first: _Point, second: _Point) -> _Point:
    a = (first[1] - first[0]) * (second[1] - second[0]) % _P
    b = (first[1] + first[0]) * (second[1] + second[0]) % _P
    c = 2 * first[3] * second[3] * _D % _P
    d = 2 * first[2] * second[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


_Table: TypeAlias = tuple[tuple[_Point, ...], ...]


def _table(point: _Point) -> _Table:
    """Return, for each window of a scalar, the multiples of the point that its bits may stand for."""
    rows = []
    for _ in range(0, 256, _WINDOW):
        row = [_NEUTRAL]
        for _ in range((1 << _WINDOW) - 1):
            row.append(_add(row[-1], point))
        rows.append(tuple(row))
        point = _add(row[-1], point)
    return tuple(rows)


@cache
def _base() -> _Table:
    point = _decoded((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))
    assert point
    return _table(point)


@lru_cache(maxsize=16)
def _minus(public: bytes) -> _Table:
    point = _decoded(public)
    assert point
    return _table((_P - point[0], point[1], point[2], _P - point[3]))


def _times(table: _Table, scalar: int) -> _Point:
    total = _NEUTRAL
    for row in table:
        total = _add(total, row[scalar & ((1 << _WINDOW) - 1)])
        scalar >>= _WINDOW
    return total


def _encoded(point: _Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decoded(data: bytes) -> _Point | None:
    """Return the point, None for bytes that are none. Section 5.1.3."""
    number = int.from_bytes(data, "little")
    sign_bit, y = number >> 255, number & ((1 << 255) - 1)
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P or (not x and sign_bit):
        return None
    if x & 1 != sign_bit:
        x = _P - x
    return (x, y, 1, x * y % _P)
