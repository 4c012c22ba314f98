"""Memory that is freed stays: packing asks the kernel for the same pages once, not for each chunk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PACK = """
import resource, sys
from pathlib import Path
from flakeship.image import pack
from flakeship.image.compress import Compression
from flakeship.image.model import Layer
from flakeship.image.stream import Stream
from flakeship.stores.temporary import TemporaryStore

class Text(Stream):
    left = 100
    def read(self, size=-1, /):
        self.left -= 1
        return b"%08d" % self.left * (size // 8) if self.left >= 0 else b""

if sys.argv[2] == "as-it-was":
    pack.keep_freed_memory = lambda: None
packing = pack.Packing(Compression(), pack.OCI, TemporaryStore(Path(sys.argv[1])), threads=2)
for layer in pack.packed_layers([Layer(str(number), Text) for number in range(4)], packing, forward_only=False):
    layer.discard()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def page_faults(folder: Path, how: str) -> int:
    command = [sys.executable, "-c", PACK, str(folder), how]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.slow
def test_pages_are_not_asked_for_again(tmp_path: Path) -> None:
    assert page_faults(tmp_path, "kept") < page_faults(tmp_path, "as-it-was") / 2
