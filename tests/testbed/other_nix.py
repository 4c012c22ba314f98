"""Nix of other releases of Debian, each in a file system of its own that is kept for later runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.testbed.debian_packages import unpacked

_WRAPPER = """\
#!/bin/sh
exec unshare --mount --propagation private sh -c '
  where=$PWD
  mount --bind {root} {root} || exit 1
  for folder in proc dev sys tmp {shown}; do mount --rbind /$folder {root}/$folder || exit 1; done
  cd {root} && pivot_root . mnt || exit 1
  umount -l /mnt && {{ cd "$where" 2>/dev/null || cd /; }} && exec /usr/bin/{name} "$@"' sh "$@"
"""
"""In a chroot Nix can't isolate what it builds. The tests' folders are under /tmp; whoever calls from elsewhere is at / there. The network is the machine's, as for a Nix that is installed."""


@pytest.fixture(scope="session")
def other_nix(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`other_nix("sid")` is a folder for PATH with the `nix` of that release, which only root can run.

    It has a store of its own for /nix; with `store=True` it has that of whoever runs it, and ssh.
    """

    def make(suite: str, *, store: bool = False) -> Path:
        more = ("openssh-client",) if store else ()
        root = unpacked("-".join((f"nix-of-{suite}", *more)), suite, "nix-bin", *more, variant="minbase")
        (root / "nix").mkdir(exist_ok=True)
        folder = tmp_path_factory.mktemp(suite)
        for name in ("nix", "nix-store"):
            (folder / name).write_text(_WRAPPER.format(root=root, name=name, shown="nix" * store))
            (folder / name).chmod(0o755)
        return folder

    return make
