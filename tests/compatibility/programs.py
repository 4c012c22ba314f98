"""The programs of others that tests run, and how each is asked for its version."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flakeship import __version__

ROOT: Final = Path(__file__).parent.parent.parent
VERSIONS: Final = ROOT / "docs/compatibility.json"
"""What the last run was told: `programs` by name, `system`, `date` and `flakeship`."""

_NUMBER: Final = re.compile(r"\d+(?:\.\d+)+[^\s,]*")


@dataclass(frozen=True, slots=True)
class Program:
    """`asked` are command lines that print a version; the first that does is believed. A file that has a test which runs
    the program holds one of the words of `seen`: what starts it, or the fixture that does.
    """

    asked: tuple[Sequence[str], ...]
    seen: tuple[str, ...]


_NPM: Final = ".dev/npm/node_modules/gitlab-ci-local/dist/index.js"

PROGRAMS: Final[Mapping[str, Program]] = {
    "Python": Program(((".venv/bin/python", "--version"),), ("sys.executable", "tarfile")),
    "Nix": Program((("nix", "--version"),), ("nix: Nix", "make_flake", "MakeFlake", "NixBuild", "RunStep")),
    "git": Program((("git", "--version"),), ('"git"', "git: ", "make_flake", "RunStep")),
    "docker-registry": Program((("docker-registry", "--version"),), (": Registry", "Bench", "RunStep")),
    "dockerd": Program(
        (("docker", "version", "--format", "{{.Server.Version}}"), ("dockerd", "--version")), (": Docker",)
    ),
    "docker, the command": Program((("docker", "--version"),), (": Docker", '"docker"')),
    "podman": Program((("podman", "--version"),), (": Podman",)),
    "skopeo": Program((("skopeo", "--version"),), ('"skopeo"',)),
    "umoci": Program((("umoci", "--version"),), ('"umoci"',)),
    "GNU tar": Program((("tar", "--version"),), ('"tar"',)),
    "bsdtar": Program((("bsdtar", "--version"),), ('"bsdtar"',)),
    "busybox": Program((("busybox",),), ("BUSYBOX",)),
    "act": Program(((".venv/bin/act", "--version"),), (": Act",)),
    "gitlab-ci-local": Program(((".venv/bin/node", _NPM, "--version"),), (": GitLab",)),
    "schemas of the image-spec": Program(
        (("dpkg-query", "--show", "golang-github-opencontainers-image-spec-dev"),), ("schemas",)
    ),
}


def versions() -> dict[str, Any]:
    """Ask each program on this machine. One that is not here is left out."""
    told = {name: _version(program) for name, program in PROGRAMS.items()}
    release = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return {
        "programs": {name: version for name, version in told.items() if version},
        "system": f"{release}, {platform.machine()}",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "flakeship": __version__,
    }


def _version(program: Program) -> str:
    for command in program.asked:
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError:
            continue
        found = _NUMBER.search(done.stdout)
        if found and not done.returncode:
            return found[0]
    return ""


def kept(told: Mapping[str, Any]) -> str:
    """The text of VERSIONS."""
    return json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def known_versions() -> dict[str, Any]:
    """What VERSIONS holds."""
    found: dict[str, Any] = json.loads(VERSIONS.read_text())
    return found
