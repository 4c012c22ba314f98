"""How long a start takes: `flakeship --version`, and the imports of a push, by a warm disk: `.venv/bin/python bench/startup.py`.

The budgets are 0.15 s and 0.25 s.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ROUNDS = 15
STARTS = {
    "python alone": "",
    "flakeship --version": "import sys; sys.argv[1:] = ['--version']; from flakeship.__main__ import entry; entry()",
    "imports of a push": "import gc; gc.set_threshold(50_000); import flakeship.cli, flakeship.variants, flakeship.attributes, flakeship.together, "
    "flakeship.sinks.registry, flakeship.report.chronicle, flakeship.report.markdown, flakeship.sources.stream_script, "
    "flakeship.sources.oci_layout, flakeship.sources.docker_archive; from isal import isal_zlib",
}


def seconds(script: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> None:
    print("| | median | best |\n| --- | --- | --- |")
    for name, script in STARTS.items():
        took = [seconds(script) for _ in range(ROUNDS)]
        print(f"| {name} | {statistics.median(took):.3f} s | {min(took):.3f} s |")


if __name__ == "__main__":
    main()
