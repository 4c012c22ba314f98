"""A Nix that is newer than that of this machine, as Debian's next release has it, in a root of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.testbed.machines import FarMachine
from tests.testbed.nix import NIX_CONFIG

_SERVE = """\
#!/bin/sh
exec unshare --mount sh -c 'mount --bind {folder}/nix {root}/nix && mount --rbind /proc {root}/proc && mount --rbind /dev {root}/dev
exec chroot {root} env HOME=/root NIX_REMOTE=local sh -c "$SSH_ORIGINAL_COMMAND"'
"""


@pytest.fixture(scope="session")
def newer_nix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its root. It takes a minute, root's rights, and Debian's packages."""
    root = tmp_path_factory.mktemp("newer-nix") / "root"
    options = ("--variant=minbase", '--aptopt=Acquire::Check-Valid-Until "false"', "--include=nix-bin")
    subprocess.run(["mmdebstrap", "--quiet", *options, "sid", str(root)], check=True)
    (root / "etc/nix").mkdir(parents=True, exist_ok=True)
    (root / "etc/nix/nix.conf").write_text(NIX_CONFIG)
    (root / "nix").mkdir(exist_ok=True)
    return root


def serve_by(root: Path, machine: FarMachine) -> None:
    """Let the Nix below `root` serve the machine's next connections."""
    (machine.folder / "serve").write_text(_SERVE.format(folder=machine.folder, root=root))
