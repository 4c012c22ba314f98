"""The modules that a program of Go was made from, which the linker writes into its section `.go.buildinfo`.

https://cs.opensource.google/go/go/+/master:src/debug/buildinfo/buildinfo.go
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Final

from flakeship.sbom.carried.elf import Elf
from flakeship.sbom.carried.parts import Carried, Part, UnreadableError

STANDARD: Final = "stdlib"
"""How the database of Go's flaws calls what comes with the compiler: https://go.dev/security/vuln/database."""

_SECTION: Final = b".go.buildinfo"
_MAGIC: Final = b"\xff Go buildinf:"
_ALIGNED: Final = 16
_HEADER: Final = 32
_INLINE: Final = 2
_BIG: Final = 1
_MOST: Final = 2 << 20
_FRAME: Final = 16
"""Bytes of a mark before and behind the list of modules."""
_PATH: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~!/+-]{0,511}")
_VERSION: Final = re.compile(r"v[A-Za-z0-9.+-]{1,255}")
_COMPILER: Final = re.compile(r"go([0-9]+\.[0-9]+(?:\.[0-9]+)?(?:(?:rc|beta)[0-9]+)?)\b.*", re.DOTALL)


def modules_of(elf: Elf) -> Carried | None:
    """Return the modules of a program, and the library of its compiler. None where nothing is stated.

    UnreadableError where that is damaged.
    """
    section = elf.section(_SECTION)
    if section is None:
        return None
    data = elf.content(section, _MOST)
    place = next((at for at in range(0, len(data), _ALIGNED) if data.startswith(_MAGIC, at)), -1)
    if place < 0 or len(data) < place + _HEADER:
        raise UnreadableError("the information of Go is damaged")
    width, flags = data[place + 14], data[place + 15]
    if flags & _INLINE:
        compiler, end = _inline(data, place + _HEADER)
        told, _ = _inline(data, end)
    else:
        order = ">" if flags & _BIG else "<"
        if width not in {4, 8}:
            raise UnreadableError("a pointer of Go has an odd size")
        form = f"{order}{'Q' if width == 8 else 'I'}"
        pointers = (struct.unpack_from(form, data, place + _ALIGNED + number * width)[0] for number in (0, 1))
        compiler, told = (_led_to(elf, pointer, form, width) for pointer in pointers)
    framed = len(told) > 2 * _FRAME and told[-_FRAME - 1 : -_FRAME] == b"\n"
    modules = told[_FRAME:-_FRAME].decode(errors="replace") if framed else ""
    return Carried.of(_parts(compiler.decode(errors="replace"), modules))


def _inline(data: bytes, place: int) -> tuple[bytes, int]:
    """Return a text, and where it ends. Its length stands before it, seven bits a byte, the lowest first."""
    length = 0
    for shift in range(0, 35, 7):
        if place >= len(data):
            break
        byte = data[place]
        place += 1
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            if place + length > len(data):
                break
            return data[place : place + length], place + length
    raise UnreadableError("a text of Go is cut off")


def _led_to(elf: Elf, pointer: int, form: str, width: int) -> bytes:
    """Before Go 1.18: the text behind a pointer to its address and its length."""
    if not pointer:
        return b""
    header = elf.at_address(pointer, 2 * width)
    address, length = (int(struct.unpack_from(form, header, at)[0]) for at in (0, width))
    if length > _MOST:
        raise UnreadableError("a text of Go is too long")
    return elf.at_address(address, length) if length else b""


def _parts(compiler: str, told: str) -> Iterator[Part]:
    """The main module has a version only if it was fetched as a module. A module in whose place a folder of its
    source is used is part of it.
    """
    if found := _COMPILER.fullmatch(compiler.strip()):
        yield Part("golang", STANDARD, found[1])
    pending: tuple[str, str] | None = None
    for line in (*told.splitlines(), ""):
        word, _, rest = line.partition("\t")
        if word == "=>":
            pending = None
        elif pending:
            yield from _module(*pending)
            pending = None
        if word in {"mod", "dep", "=>"}:
            path, version = (*rest.split("\t"), "")[:2]
            pending = path, version


def _module(path: str, version: str) -> Iterator[Part]:
    if _PATH.fullmatch(path) and _VERSION.fullmatch(version):
        yield Part("golang", path, version)
