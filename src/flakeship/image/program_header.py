"""Read the CPU that a program is made for from the header of its file: ELF's, or that of a program for macOS.

https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

# e_machine → GOARCH. Some CPUs run in both byte orders under one number; EI_DATA says which order it is.
_LITTLE: Final = {
    3: "386",
    21: "ppc64le",
    40: "arm",
    62: "amd64",
    183: "arm64",
    243: "riscv64",
    258: "loong64",
}
_BIG: Final = {21: "ppc64", 22: "s390x"}


HEAD: Final = 20
"""Bytes of a file that tell its architecture."""

MACOS: Final = "macOS"
"""What stands for the architecture of a program that no Linux runs, whatever its CPU."""

# https://github.com/apple-oss-distributions/xnu/blob/main/EXTERNAL_HEADERS/mach-o/loader.h
_MACH_O: Final = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xfe\xed\xfa\xce")


def architecture_of(path: Path) -> str:
    """Return the architecture in the spelling of an image's config, `amd64`.

    It is empty for a CPU that is not listed above, and for a path that is not an ELF file or does not exist.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return ""
    found = architecture_in(head)
    return "" if found == MACOS else found


def architecture_in(head: bytes) -> str:
    """Return the architecture of a program that begins with these bytes, or `MACOS`; empty where it is not known."""
    if head.startswith(_MACH_O):
        return MACOS
    if len(head) < HEAD or not head.startswith(b"\x7fELF"):
        return ""
    little = head[5] == 1
    (machine,) = struct.unpack_from("<H" if little else ">H", head, 18)
    return (_LITTLE if little else _BIG).get(machine, "")
