"""The pipelines in the docs are whole: GitLab's schema takes them, and the component has the inputs that they name."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BLOCKS = [
    textwrap.dedent(block)
    for _, block in re.findall(
        r"^( *)```yaml\n(.*?)^\1```$", (ROOT / "docs" / "gitlab.md").read_text(), re.DOTALL | re.MULTILINE
    )
]
HEADER = next(yaml.safe_load_all((ROOT / "templates" / "flakeship.yml").read_text()))
DECLARED: dict[str, dict[str, Any]] = HEADER["spec"]["inputs"]


def test_there_are_pipelines() -> None:
    assert len(BLOCKS) > 8


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_inputs_are_declared(block: str) -> None:
    for entry in yaml.safe_load(block).get("include", []):
        for name, value in entry["inputs"].items():
            kind = {"array": list, "boolean": bool, "number": int}.get(DECLARED[name].get("type", ""), str)
            assert isinstance(value, kind), name
            assert value in DECLARED[name].get("options", [value])


@pytest.mark.slow
def test_every_pipeline_fits_gitlabs_schema(tmp_path: Path) -> None:
    files = []
    for number, block in enumerate(BLOCKS):
        document = yaml.safe_load(block)
        if "script" in document.get(
            "flakeship", {"script": ""}
        ):  # else it is merged into the component's job
            files.append(tmp_path / f"{number}.json")
            files[-1].write_text(json.dumps(document))
    program = Path(sys.executable).with_name("check-jsonschema")
    checked = subprocess.run(
        [program, "--builtin-schema", "vendor.gitlab-ci", *files], capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stdout.decode()
