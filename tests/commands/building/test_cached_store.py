"""The chain of references that lint shows, which is the one that Nix would show if it had the paths."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from flakeship.caches.substitutes import Substitutes
from flakeship.commands.building.cached_store import CachedStore
from flakeship.events import ignore
from flakeship.nix.command import Nix
from flakeship.nix.why_depends import why_depends
from tests.testbed import archives

_DERIVATION = """derivation {
  name = "@name@";
  system = builtins.currentSystem;
  builder = "${@bin@}/busybox";
  args = [ "sh" "-c" "echo @needs@ > $out" ];
}"""

pytestmark = pytest.mark.slow


def test_the_chain_is_that_of_nix(tmp_path: Path, nix: Nix, nix_environ: Mapping[str, str]) -> None:
    """Of two ways that are equally short the same one is shown."""
    (tmp_path / "bin").mkdir()
    shutil.copy(archives.BUSYBOX, tmp_path / "bin/busybox")
    derivation = _DERIVATION.replace("@bin@", str(tmp_path / "bin"))
    expression = "let " + "".join(
        f"{name} = {derivation.replace('@name@', name).replace('@needs@', ' '.join(f'${{{each}}}' for each in needs))}; "
        for name, needs in {"top": "abc", "a": "d", "b": "d", "c": "a", "d": "z", "z": ""}.items()
    )
    paths = {}
    for name in ("top", "z"):
        argv = ["nix-build", "--no-out-link", "--expr", f"{expression} in {name}"]
        done = subprocess.run(argv, env=nix_environ, check=True, capture_output=True, text=True)
        paths[name] = done.stdout.strip()
    store = CachedStore(
        nix=nix, substitutes=lambda: Substitutes((), ()), folder=tmp_path, emit=ignore, heard=None
    )
    assert store.chain(paths["top"], paths["z"]) is None
    store.closure(paths["top"])
    found = store.chain(paths["top"], paths["z"])
    assert found == why_depends(nix, paths["top"], paths["z"])
    assert len(found or ()) == 4
    assert store.chain(paths["z"], paths["top"]) == ()
