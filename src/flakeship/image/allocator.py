"""The C library's allocator, told how packing uses memory: pieces of a chunk that come and go in several threads."""

from __future__ import annotations

import functools
from typing import Final

_ARENAS: Final = (-8, 1)
_MAPPED_FROM: Final = (-3, 32 * 1024 * 1024)
_TRIMMED_FROM: Final = (-1, 256 * 1024 * 1024)
"""M_ARENA_MAX, M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of glibc's malloc.h, with their values."""


@functools.cache
def keep_freed_memory() -> None:
    """Let memory that is freed be used again instead of giving it back. Of another library than glibc nothing is asked.

    Left alone, glibc returns each chunk to the kernel, which clears a page for every 4 KiB of the next one: a twentieth
    of a push. One arena for all threads holds less than one for each.
    """
    import ctypes  # late: a push that reuses all layers does not need it

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for parameter, value in (_ARENAS, _MAPPED_FROM, _TRIMMED_FROM):
        mallopt(parameter, value)
