"""What a run of the engine may not import: it has a budget of 20 ms, which `./dev bench metadata` measures."""

from __future__ import annotations

import subprocess
import sys

ONCE = """
import sys
import flakeship.cli
from flakeship.metadata.engine import evaluate
from flakeship.metadata.inputs import parse_inputs
from flakeship.metadata.output import to_json
from flakeship.metadata.syntax.lists import parse_list
late = {"semver", "packaging.version", "zoneinfo"} & set(sys.modules)
from datetime import UTC, datetime
from flakeship.metadata.context import Context
now = datetime(2020, 1, 10, tzinfo=UTC)
rules = ["type=semver,pattern={{version}}", "type=pep440,pattern={{major}}", "type=match,pattern=v(.*)", "type=sha",
         "type=raw,value={{date 'YYYYMMDD' tz='Asia/Tokyo'}}"]
tags = parse_list("\\n".join(rules), comma=False)
inputs = parse_inputs(images=parse_list("o/n"), tags=tags)
found = to_json(evaluate(inputs, Context(now, now, ref="refs/tags/v1.2.3", sha="8" * 40)).metadata())
print(len(found["tags"]), *late, *({"socket", "ssl", "requests", "yaml"} & set(sys.modules)))
"""


def test_a_run_has_no_network_in_it() -> None:
    done = subprocess.run([sys.executable, "-c", ONCE], capture_output=True, text=True, check=True)
    tags, *imported = done.stdout.split()
    assert (tags, imported) == ("6", [])
