"""The C library's allocator, set to how packing uses memory: pieces of a chunk that come and go in several threads.

It is the whole process's, so that the command `publish` has it set, and no library call does. mallopt(3).
"""

from __future__ import annotations

import functools
from typing import Final

_M_ARENA_MAX: Final = -8
_M_MMAP_THRESHOLD: Final = -3
_M_TRIM_THRESHOLD: Final = -1
# docs/decisions.md#packing-keeps-freed-memory
_VALUES: Final = {_M_ARENA_MAX: 1, _M_MMAP_THRESHOLD: 32 * 1024 * 1024, _M_TRIM_THRESHOLD: 256 * 1024 * 1024}


@functools.cache
def keep_freed_memory() -> None:
    """Let memory that is freed be used again instead of giving it back. With another library than glibc, do nothing.

    Left alone, glibc returns each chunk to the kernel, which clears a page for every 4 KiB of the next one: a twentieth
    of a push. One arena for all threads holds less than one for each.
    """
    import ctypes  # late: a push that uses all layers again does not need it

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for parameter, value in _VALUES.items():
        mallopt(parameter, value)
