"""Read the CPU that a program is made for from the ELF header of its file.

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


def architecture_of(path: Path) -> str:
    """Return the architecture in the spelling of an image's config, `amd64`.

    It is empty for a CPU that is not listed above, and for a path that is not an ELF file or does not exist.
    """
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
