"""For which CPU a program is made, by the header of its file.

https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

# e_machine → GOARCH; those that come in two byte orders are told apart by EI_DATA
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


def architecture_of(path: Path) -> str:
    """As an image's config spells it; empty for what is no ELF file, of another CPU, or not there."""
    try:
        with path.open("rb") as file:
            head = file.read(20)
    except OSError:
        return ""
    if len(head) < 20 or not head.startswith(b"\x7fELF"):
        return ""
    little = head[5] == 1
    (machine,) = struct.unpack_from("<H" if little else ">H", head, 18)
    return (_LITTLE if little else _BIG).get(machine, "")
