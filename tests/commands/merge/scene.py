"""A small fleet of legs in a registry, as jobs of one run on GitHub would have pushed them, and `flakeship` to merge them."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from flakeship import cli
from tests.sources.layouts import Layout
from tests.testbed.registry import Registry

SHA: Final = "3e7be6a5201e85a0065ca27c92c90e9c2ee51dd8"
GITHUB: Final = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_REPOSITORY": "octo/harbour",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_SHA": SHA,
    "GITHUB_RUN_ID": "7",
}
AMD64: Final = "linux/amd64"
ARM64: Final = "linux/arm64"
BOTH: Final = f"{AMD64},{ARM64}"


@dataclass(frozen=True, slots=True)
class Said:
    code: int
    stdout: str
    log: str


@dataclass(slots=True)
class Jobs:
    """Jobs that share a registry, and hand files on through `folder`."""

    registry: Registry
    folder: Path
    repository: str
    environ: Mapping[str, str] = field(default_factory=lambda: GITHUB)

    @property
    def image(self) -> str:
        return f"{self.registry.host}/{self.repository}"

    def flakeship(self, *argv: str, **more: str) -> Said:
        """Run it in this process, with an environment that holds nothing else."""
        home = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "FLAKESHIP_LAYER_CACHE": "off"}
        cwd, out, err = Path.cwd(), io.TextIOWrapper(io.BytesIO()), io.StringIO()
        os.chdir(self.folder)
        try:
            with (
                patch.object(os, "environ", {**home, **self.environ, **more}),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
            ):
                code = cli.main(argv)
        finally:
            os.chdir(cwd)
        out.seek(0)
        return Said(code, out.read().strip(), err.getvalue() + out.buffer.getvalue().decode())

    def push(self, platform: str, *flags: str, text: str = "", **more: str) -> Path:
        """One leg, whose file is returned."""
        os_, _, architecture = platform.partition("/")
        layout = Layout()
        entry = layout.image(text or platform, os=os_, architecture=architecture)
        layout.listing(entry).folder(self.folder / "layout")
        before = set(self.folder.glob("flakeship-*.json"))
        named = () if "--tags" in flags else ("--tags", f"{self.image}:1")
        done = self.flakeship("publish", "--source", "layout", "--push-by-digest", *named, *flags, **more)
        assert done.code == 0, done.log
        (file,) = set(self.folder.glob("flakeship-*.json")) - before
        return file

    def merge(self, *argv: str, **more: str) -> Said:
        return self.flakeship("merge", *argv, **more)

    def puts(self) -> list[str]:
        return [entry.path for entry in self.registry.accesses(self.repository) if entry.method == "PUT"]


def changed(file: Path, **keys: Any) -> None:
    """Change keys of the record in the file of a leg; those with a dot are the document's own."""
    document = json.loads(file.read_text())
    for key, value in keys.items():
        document["flakeship.leg"][key] = value
    file.write_text(json.dumps(document))
