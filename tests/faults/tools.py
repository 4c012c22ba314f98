"""The programs that the bench pushes with: ours, and those that others would take. All read one auth file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.testbed.patient import patient


@dataclass(frozen=True, slots=True)
class Tool:
    """`push` is the command line for a docker-archive and a reference."""

    name: str
    push: Callable[[Path, str], Sequence[str]]

    @property
    def ours(self) -> bool:
        return self is FLAKESHIP


def _flakeship(*program: str) -> Tool:
    return Tool(
        "flakeship", lambda image, name: (*program, "publish", "--source", str(image), "--tags", name)
    )


FLAKESHIP: Final = _flakeship(sys.executable, "-m", "flakeship")
PATIENT: Final = _flakeship(*patient(20))


def _skopeo(words: Sequence[str], retries: int) -> Tool:
    version = _version_of([*words, "--version"])
    flags = ("--insecure-policy", "copy", "--dest-tls-verify=false")
    again = ("--retry-times", str(retries)) if retries else ()
    return Tool(
        f"skopeo {version}" + (f", {retries} retries" if retries else ""),
        lambda image, name: (*words, *flags, *again, f"docker-archive:{image}", f"docker://{name}"),
    )


def others(*, skopeo: Sequence[str] = (), crane: Sequence[str] = ()) -> list[Tool]:
    """Those of the others that are here. A program may be several words, such as a loader and a path."""
    found = []
    for command in skopeo or ["skopeo"]:
        words = command.split()
        if shutil.which(words[0]):
            found += [_skopeo(words, 0), _skopeo(words, 3)]
    for command in crane or ["crane"]:
        words = command.split()
        if shutil.which(words[0]):
            found.append(
                Tool("crane", lambda image, name, words=words: (*words, "push", str(image), name))  # type: ignore[misc]
            )
    return found


def environ(home: Path, temporary: Path) -> dict[str, str]:
    """What a tool is given, and nothing else; the auth file lies where each of them looks."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "DOCKER_CONFIG": str(home / ".docker"),
        "REGISTRY_AUTH_FILE": str(home / ".docker/config.json"),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "FLAKESHIP_LAYER_CACHE": "off",  # no push finds what another has packed
    }


def _version_of(command: Sequence[str]) -> str:
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return next(word for word in said.split() if word[0].isdigit())
