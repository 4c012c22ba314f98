"""Memory that is freed stays: the kernel is asked for the same pages once, not for each chunk."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flakeship.image.stream import CHUNK

ROUNDS, CHUNKS = 20, 16
PAGES = CHUNKS * CHUNK // 4096

SCRIPT = f"""
import resource
from flakeship.image.allocator import keep_freed_memory
{{first}}
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({ROUNDS}):
    held = [bytearray({CHUNK}) for _ in range({CHUNKS})]
    del held
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(first: str) -> int:
    command = [sys.executable, "-c", SCRIPT.format(first=first)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.slow
def test_pages_are_not_asked_for_again() -> None:
    assert page_faults("keep_freed_memory()") < 2 * PAGES
    assert page_faults("") > ROUNDS / 2 * PAGES, "then there would be no need of it"
