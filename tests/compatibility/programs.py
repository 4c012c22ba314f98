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

ROOT: Final = Path(__file__).parent.parent.parent
VERSIONS: Final = ROOT / "docs/compatibility.json"
"""What runs were told: of each program its `version` and the `date` and `system` of the run that asked it."""

_NUMBER: Final = re.compile(r"\d+(?:\.\d+)+[^\s,]*")


@dataclass(frozen=True, slots=True)
class Program:
    """`asked` are command lines that print a version; the first that does is believed. A file that has a test which runs
    the program holds one of the words of `seen`: what starts it, or the fixture that does. `within` is true of those in
    the image of the action.
    """

    asked: tuple[Sequence[str], ...]
    seen: tuple[str, ...]
    within: bool = False


_IMAGE: Final = ("action_image", ": Act", ": GitLab")
_NPM: Final = ".dev/npm/node_modules/gitlab-ci-local/dist/index.js"

_COSIGN: Final = (
    "sh",
    "-c",
    # Debian's says no version itself; its changelog does
    'zcat "${XDG_CACHE_HOME:-$HOME/.cache}"/flakeship-tests/cosign-of-sid/usr/share/doc/cosign/changelog.Debian.gz | sed "s/.*(//; s/).*//; q"',
)

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
    "cosign": Program((_COSIGN,), (": Cosign",)),
    "GNU tar": Program((("tar", "--version"),), ('"tar"',)),
    "bsdtar": Program((("bsdtar", "--version"),), ('"bsdtar"',)),
    "busybox": Program((("busybox",),), ("BUSYBOX",)),
    "act": Program(((".venv/bin/act", "--version"),), (": Act",)),
    "gitlab-ci-local": Program(((".venv/bin/node", _NPM, "--version"),), (": GitLab",)),
    "Nix in the action's image": Program((("nix", "--version"),), _IMAGE, within=True),
    "Python in the action's image": Program((("python3", "--version"),), _IMAGE, within=True),
    "git in the action's image": Program((("git", "--version"),), _IMAGE, within=True),
    "schemas of the image-spec": Program(
        (("dpkg-query", "--show", "golang-github-opencontainers-image-spec-dev"),), ("schemas",)
    ),
}


def versions(
    image: str, before: Mapping[str, Any], programs: Mapping[str, Program] = PROGRAMS
) -> dict[str, Any]:
    """Ask each of `programs` on this machine, and within `image` if it is not empty. One that is not here keeps the answer
    from `before`, and its date.
    """
    run = {"date": dt.datetime.now(dt.UTC).date().isoformat(), "system": _system()}
    told = dict(before)
    for name, program in programs.items():
        if version := _version(program, image):
            told[name] = {"version": version, **run}
    return {name: answer for name, answer in told.items() if name in programs}


def _system() -> str:
    try:
        release = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):  # what is not Linux has no such file
        release = platform.platform()
    return f"{release}, {platform.machine()}"


def _version(program: Program, image: str) -> str:
    commands: Sequence[Sequence[str]] = program.asked
    if program.within:
        run = ("docker", "run", "--rm", "--network", "none", "--entrypoint")
        commands = [(*run, name, image, *rest) for name, *rest in program.asked] if image else []
    for command in commands:
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
