"""./dev faults [NAME…]: push past faults, and write what docs/reliability.md states.

Without names it measures all but `fuzz`, `tools` and `registry`, which is that of crane. `--case NAME` tries one fault and shows the run.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flakeship import __version__
from tests.faults.bench import opened
from tests.faults.measures import MEASURES, compared, fuzzing, second_registry, single
from tests.faults.promises import FIGURES, PAGE, known_figures, written
from tests.faults.tools import FLAKESHIP, others

EVERY = (*MEASURES, "fuzz", "tools", "registry")


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./dev faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(EVERY))
    parser.add_argument("--case", help="try this one fault, and show the run")
    parser.add_argument("--skopeo", action="append", default=[], help="another skopeo to compare with")
    parser.add_argument("--crane", action="append", default=[], help="the crane to compare with")
    parser.add_argument(
        "--pushes", type=int, default=100, help="by chance, for each tool (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds", type=float, default=600, help="of each fuzz target (default: %(default)s)"
    )
    parser.add_argument(
        "--render", action="store_true", help="make the page anew of the figures that are kept"
    )
    chosen = parser.parse_args(argv)
    if chosen.render:
        PAGE.write_text(written(PAGE.read_text(), known_figures()))
        return 0
    if unknown := set(chosen.names) - set(EVERY):
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder) / "bench") as bench:
        if chosen.case:
            case, tried = single(bench, chosen.case)
            print(tried.outcome.said, f"{case}: {tried.problems or 'as it should be'}", sep="\n")
            return 1 if tried.problems else 0
        for name in chosen.names or MEASURES:
            print(name, flush=True)
            if name == "fuzz":
                found: dict[str, Any] = {"figures": fuzzing(chosen.seconds)}
            elif name == "registry":
                found = {"figures": second_registry((chosen.crane or ["crane"])[0].split())}
            elif name == "tools":
                tools = [FLAKESHIP, *others(skopeo=chosen.skopeo, crane=chosen.crane)]
                found = compared(bench, tools, chosen.pushes)
            else:
                found = {"figures": MEASURES[name](bench)}
            for key, value in (*found["figures"].items(), *found.get("rows", {}).items()):
                print(f"  {key}: {value}", flush=True)
            write(name, found)
    return 0


def write(name: str, found: dict[str, Any]) -> None:
    """Keep the figures, and make the page anew."""
    today = dt.datetime.now(dt.UTC).date().isoformat()
    figures = {**known_figures(), name: {**found, "date": today, "version": __version__}}
    FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    PAGE.write_text(written(PAGE.read_text(), figures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
