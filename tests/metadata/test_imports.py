"""What a run of the engine may not import: it has a budget of 20 ms, which `./dev bench metadata` measures."""

from __future__ import annotations

import subprocess
import sys

ONCE = """
import sys
import flakeship.cli
from flakeship.metadata.engine import compute
from flakeship.metadata.output import to_json
late = {"semver", "packaging.version", "zoneinfo"} & set(sys.modules)
from datetime import UTC, datetime
from flakeship.metadata.context import Context
now = datetime(2020, 1, 10, tzinfo=UTC)
rules = ["type=semver,pattern={{version}}", "type=pep440,pattern={{major}}", "type=match,pattern=v(.*)", "type=sha",
         "type=raw,value={{date 'YYYYMMDD' tz='Asia/Tokyo'}}"]
found = to_json(compute(Context(now, now, ref="refs/tags/v1.2.3", sha="8" * 40), images=["o/n"], tags=rules))
print(len(found["tags"]), *late, *({"socket", "ssl", "requests", "yaml"} & set(sys.modules)))
"""


def test_a_run_has_no_network_in_it() -> None:
    done = subprocess.run([sys.executable, "-c", ONCE], capture_output=True, text=True, check=True)
    tags, *imported = done.stdout.split()
    assert (tags, imported) == ("6", [])
