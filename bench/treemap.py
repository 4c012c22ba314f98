"""How long the pictures of an image take to draw, in seconds of the processor: 400 and 20,000 packages, median of seven.

usage: ./dev bench treemap
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from runs import machine
from tests.report.picture.example import many

from flakeship.report.picture.page import page_of
from flakeship.report.picture.svg import svg_of


def main() -> None:
    print(f"On {machine()}.\n\n| packages | SVG | page |\n|---|---|---|")
    for packages, layers in ((400, 60), (20_000, 100)):
        contents = [many(packages, layers)]
        times: list[tuple[float, float]] = []
        for _ in range(7):
            begun = time.process_time()
            svg_of(contents)
            between = time.process_time()
            page_of(contents)
            times.append((between - begun, time.process_time() - between))
        drawn, written = (statistics.median(each) for each in zip(*times, strict=True))
        print(f"| {packages:,} | {drawn:.2f} s | {written:.2f} s |")


if __name__ == "__main__":
    main()
