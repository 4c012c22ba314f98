"""The tools that a user would pick to bring a docker-archive to a registry, each as the command line of one push."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from runs import FLAKESHIP, version_of
from tests.testbed.docker_engine import engine

OURS = "flakeship"
_AS_ROOT = ("unshare", "--mount", "sh", "-euc", 'mount -t tmpfs tmpfs /var/lib; exec "$@"', "sh")


@dataclass(frozen=True, slots=True)
class Tool:
    """`push` is the command line for an archive and a reference; `forget` the one that makes its machine a fresh one.

    `whole` is false where its memory is used by a daemon that nobody measures here.
    """

    name: str
    push: Callable[[Path, str], Sequence[str]]
    forget: Sequence[str] = ()
    whole: bool = True


@contextlib.contextmanager
def tools(
    *, skopeo: Sequence[str], crane: str, docker: bool, podman: bool, folder: Path
) -> Iterator[list[Tool]]:
    """Ours first. Docker's engine is one of its own, started here."""
    found = [Tool(OURS, lambda image, reference: publish("--source", str(image), "--tags", reference))]
    found += [_skopeo(program, folder) for program in skopeo if shutil.which(program)]
    if crane:
        found.append(
            Tool("crane", lambda image, reference: (crane, "push", "--insecure", str(image), reference))
        )
    if podman and shutil.which("podman"):
        found.append(_podman(folder / "podman"))
    with contextlib.ExitStack() as scope:
        if docker and shutil.which("dockerd") and os.geteuid() == 0:
            root = folder / "docker"
            root.mkdir()
            scope.enter_context(engine(root))
            found.append(_docker(f"unix://{root}/docker.sock"))
        yield found


def publish(*flags: str) -> Sequence[str]:
    return (*FLAKESHIP, "publish", *flags)


def _skopeo(program: str, home: Path) -> Tool:
    """It remembers the blobs that it pushed, root's in /var/lib and a user's at home: a fresh runner has neither."""
    options = ("--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false")
    words = (*(_AS_ROOT if os.geteuid() == 0 else ()), program, *options)
    return Tool(
        f"skopeo {version_of(program)}",
        lambda image, reference: (*words, f"docker-archive:{image}", f"docker://{reference}"),
        forget=("rm", "-rf", str(home / ".local")),
    )


def _docker(host: str) -> Tool:
    docker = f"docker --host {host}"
    return Tool(
        "docker load, push",
        lambda image, reference: _shell(
            f"{docker} load --quiet --input {image}; {docker} tag bench:1 {reference}; {docker} push --quiet {reference}"
        ),
        forget=_shell(f"{docker} image prune --all --force"),
        whole=False,
    )


def _podman(root: Path) -> Tool:
    podman = f"podman --root {root}/root --runroot {root}/run --storage-driver vfs"
    push = f"{podman} push --quiet --tls-verify=false"
    return Tool(
        "podman load, push",
        lambda image, reference: _shell(
            f"{podman} load --quiet --input {image}; {podman} tag localhost/bench:1 {reference}; {push} {reference}"
        ),
        forget=_shell(f"{podman} image rm --all --force"),
    )


def _shell(script: str) -> Sequence[str]:
    return ("sh", "-euc", script)
