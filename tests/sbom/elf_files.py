"""ELF files with sections of one's choice, as small as they can be: what a linker writes around programs is not needed."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

BASE = 0x400000
"""Where the file lies in memory: an address is this and an offset."""


def elf(sections: Mapping[str, bytes], *, wide: bool = True, little: bool = True, kind: int = 3) -> bytes:
    """The sections come first, aligned to 16 bytes, from byte 160 on; one segment holds the whole file."""
    order = "<" if little else ">"
    names = b"\0" + b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
    content, headers, at = b"", [(0, 0, 0, 0)], 160
    for name, data in {**sections, ".shstrtab": names}.items():
        headers.append((names.index(b"\0" + name.encode() + b"\0") + 1, 1, at + len(content), len(data)))
        content += data + bytes(-len(data) % 16)
    table = at + len(content)
    section = f"{order}II{'QQQQ' if wide else 'IIII'}II{'QQ' if wide else 'II'}"
    rows = b"".join(
        struct.pack(section, name, type_, 0, BASE + offset, offset, size, 0, 0, 1, 0)
        for name, type_, offset, size in headers
    )
    whole = table + len(rows)
    segment = (
        struct.pack(f"{order}IIQQQQQQ", 1, 6, 0, BASE, BASE, whole, whole, 1)
        if wide
        else struct.pack(f"{order}IIIIIIII", 1, 0, BASE, BASE, whole, whole, 6, 1)
    )
    start = 64 if wide else 52
    head = b"\x7fELF" + bytes([2 if wide else 1, 1 if little else 2, 1]) + bytes(9)
    head += struct.pack(f"{order}HHI{'QQQ' if wide else 'III'}IHHHHHH", kind, 62, 1, BASE, start, table, 0,
        start, len(segment), 1, len(rows) // len(headers), len(headers), len(headers) - 1)  # fmt: skip
    return (head + segment).ljust(at, b"\0") + content + rows


def crates(*packages: Mapping[str, Any]) -> bytes:
    """The content of `.dep-v0`."""
    return zlib.compress(json.dumps({"packages": packages}).encode())


def crate(name: str, version: str, *needs: int, source: str = "crates.io", **more: Any) -> dict[str, Any]:
    return {"name": name, "version": version, "source": source, "dependencies": list(needs), **more}


RIPGREP = crates(
    crate("ripgrep", "14.1.0", 1, 2, source="local", root=True),
    crate("regex", "1.10.2", 2),
    crate("memchr", "2.6.4"),
    crate("cc", "1.0.83", kind="build"),
)


def modules(*lines: Sequence[str]) -> bytes:
    """The text that Go's linker writes of modules, with what stands around it."""
    return b"<" * 16 + "".join("\t".join(line) + "\n" for line in lines).encode() + b">" * 16


HUGO = modules(
    ("path", "github.com/gohugoio/hugo"),
    ("mod", "github.com/gohugoio/hugo", "(devel)", ""),
    ("dep", "github.com/BurntSushi/toml", "v1.3.2", "h1:x="),
    ("dep", "github.com/old/fork", "v1.0.0", "h1:x="),
    ("=>", "github.com/new/fork/v2", "v2.0.1+incompatible", "h1:x="),
    ("dep", "example.org/inside", "v0.0.0"),
    ("=>", "./inside", "", ""),
    ("build", "-compiler=gc"),
)


def inline(compiler: bytes, told: bytes) -> bytes:
    """The content of `.go.buildinfo` from Go 1.18 on."""

    def counted(text: bytes) -> bytes:
        length, head = len(text), b""
        while length >= 0x80:
            head += bytes([length & 0x7F | 0x80])
            length >>= 7
        return head + bytes([length]) + text

    return b"\xff Go buildinf:\x08\x02".ljust(32, b"\0") + counted(compiler) + counted(told)


def pointers(compiler: bytes, told: bytes, *, wide: bool = True, little: bool = True) -> bytes:
    """A whole program as before Go 1.18: two pointers to an address and a length each, which lie in the same section here."""
    form = f"{'<' if little else '>'}{'Q' if wide else 'I'}"
    width = 8 if wide else 4
    start = BASE + 160
    texts = start + 32 + 4 * width
    heads = [texts, len(compiler), texts + len(compiler), len(told)]
    data = b"\xff Go buildinf:" + bytes([width, 0 if little else 1])
    data += b"".join(struct.pack(form, each) for each in (start + 32, start + 32 + 2 * width))
    data = data.ljust(32, b"\0") + b"".join(struct.pack(form, each) for each in heads) + compiler + told
    return elf({".go.buildinfo": data}, wide=wide, little=little)
