"""Packs an image and prints the peak of its own memory, in KiB: a program, so that nothing else is counted.

Not by getrusage, whose peak begins with that of the process that forked this one.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import cast

from flakeship.image.compress import Algorithm
from tests.image.making import compression, made

if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[2]) as folder:
        how = compression(cast("Algorithm", sys.argv[3]))
        made(Path(sys.argv[1]), Path(folder), how=how, threads=int(sys.argv[4]))
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    sys.stdout.write(found[1])
