"""How long the metadata engine takes, its imports included: `.venv/bin/python bench/metadata.py`.

The budget is 20 ms for a whole run of it on an ordinary machine, beyond what any command imports. It is CPU time, which a
busy machine does not stretch.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ONCE = """
import time
import flakeship.cli
start = time.process_time()
from datetime import datetime, timezone
from flakeship.metadata.context import Context, Repository
from flakeship.metadata.annotations import parse_levels
from flakeship.metadata.engine import evaluate
from flakeship.metadata.inputs import parse_inputs
from flakeship.metadata.output import to_json
from flakeship.metadata.syntax.lists import Placed, parse_list
imported = time.process_time()
now = datetime(2020, 1, 10, tzinfo=timezone.utc)
context = Context(now, now, ref="refs/tags/v1.2.3", sha="8" * 40, repository=Repository("app", "o/app", default_branch="main"))
rules = {rules!r}
def run():
    images, tags = parse_list("ghcr.io/o/app\\no/app", comma=False), parse_list("\\n".join(rules), comma=False)
    labels, levels = parse_list("a={{{{sha}}}}", comma=False), parse_levels(Placed("manifest,index"))
    to_json(evaluate(parse_inputs(images=images, tags=tags, labels=labels, levels=levels), context).metadata())
run()
first = time.process_time()
for _ in range(100):
    run()
print(imported - start, first - imported, (time.process_time() - first) / 100)
"""
CASES = {
    "default rules": [],
    "twelve rules": [
        "type=schedule,pattern={{date 'YYYYMMDD' tz='Asia/Tokyo'}}",
        "type=semver,pattern={{version}}",
        "type=semver,pattern={{major}}.{{minor}}",
        "type=semver,pattern={{major}}",
        "type=pep440,pattern={{version}},prefix=p",
        "type=match,pattern=v(.*),group=1",
        "type=edge",
        "type=ref,event=branch",
        "type=ref,event=tag",
        "type=ref,event=pr",
        "type=raw,value=x-{{date 'YYYYMMDD' tz='Europe/Berlin'}}",
        "type=sha",
    ],
}


def main() -> None:
    for name, rules in CASES.items():
        runs = [_run(rules) for _ in range(11)]
        imports, first, again = (statistics.median(run[part] for run in runs) * 1000 for part in range(3))
        print(f"{name}: imports {imports:.1f} ms, first run {first:.1f} ms, each further run {again:.2f} ms")


def _run(rules: list[str]) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", ONCE.format(rules=rules)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    time.sleep(0.01)
    return [float(part) for part in done.stdout.split()]


if __name__ == "__main__":
    main()
