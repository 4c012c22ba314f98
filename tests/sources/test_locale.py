"""Names of files are bytes: which locale a run finds has no say in the image."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.image.making import made
from tests.sources.store_trees import image_json, layer_json, plant, rewritten, tar_of
from tests.sources.stream_scripts import built

ROOT = Path(__file__).parent.parent.parent
PROGRAM = """\
import os, sys
from pathlib import Path
from tests.image.making import made

assert sys.getfilesystemencoding() == "ascii"
for number, path in enumerate(sys.argv[2:]):
    store, folder = Path(sys.argv[1]), Path(f"{sys.argv[1]}-{number}")
    print(made(Path(path), folder, environ=dict(os.environ), store=store).descriptor.digest)
"""


@pytest.mark.slow
def test_where_names_are_ascii_alone(tmp_path: Path) -> None:
    """A stream script planned, the same one run, and an image of nix2container whose pattern counts characters."""
    store = tmp_path / "store"
    tree = plant(store / "aa-tree")
    script = built(store, [[str(tree)]])
    hidden = script.hidden()
    path = rewritten(tree, "/aa")
    path["options"]["rewrite"] = {"regex": f"^{tree}/caf.$", "repl": "/coffee"}
    digest = f"sha256:{hashlib.sha256(tar_of(path, store=store)).hexdigest()}"
    (store / "image.json").write_bytes(image_json([layer_json(digest, path)]))
    sources = [script.wrapper, hidden, store / "image.json"]

    usual = [
        made(source, tmp_path / source.name, environ=dict(os.environ), store=store).descriptor.digest
        for source in sources
    ]
    odd = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(store), *map(str, sources)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert odd.returncode == 0, odd.stderr
    assert odd.stdout.split() == usual
