"""Binary caches as the Nix in the image of the action reads them, which is newer than that of this machine."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.caches.faulty import FAULTS
from tests.e2e.conftest import ROOT
from tests.testbed.docker import Docker
from tests.testbed.nix import MakeFlake, NixBuild

pytestmark = pytest.mark.slow

WITHIN: Final = """
import contextlib, functools, json, sys, tempfile, time
from pathlib import Path
from flakeship.caches import CacheInputs, CacheTools, opened
from flakeship.caches.loopback import upstream
from flakeship.events import BuildLog, Warned, ignore
from flakeship.http.clock import Clock
from flakeship.http.transport import Transport
from flakeship.nix.build import build
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from tests.caches.faulty import faulty

folder, flake, key, *names = sys.argv[1:]
upstream.Limits = functools.partial(upstream.Limits, 1.5, 1.5, 1.5)
events = []
nix = Nix.find(environ={"PATH": "/usr/bin:/bin", "HOME": "/root"}, emit=ignore)
clock = Clock(now=time.monotonic, sleep=time.sleep, random=lambda: 0.5)
transport = Transport(ca=None, plain_http=(), environ={}, emit=ignore, clock=clock)
with contextlib.ExitStack() as scope:
    caches = [scope.enter_context(faulty(Path(folder), name).served()) for name in names]
    inputs = CacheInputs(substituters=tuple(cache.url for cache in caches), trusted_public_keys=(key,))
    made = Path(scope.enter_context(tempfile.TemporaryDirectory()))
    fetch = lambda url, seconds, token="": b"StoreDir: /nix/store"
    tools = CacheTools(nix, events.append, fetch, made, None, transport)
    began = time.monotonic()
    with opened(inputs, tools) as plan:
        build(plan.applied(nix), Installable.parse(".#chatty", cwd=flake), emit=events.append)
    seconds = time.monotonic() - began
log = [event.line for event in events if isinstance(event, BuildLog)]
print(json.dumps([nix.release, seconds, log, [event.text for event in events if isinstance(event, Warned)]]))
"""


def test_nix_of_the_action_builds_where_caches_hang(
    dockerd: Docker,
    action_image: str,
    shapes: NixBuild,
    nix_environ: Mapping[str, str],
    *,
    make_flake: MakeFlake,
    tmp_path: Path,
) -> None:
    """Nix 2.26 asks two caches, of which one is silent about the path, and the other one about its file."""
    names = ("a narinfo is never sent", "a nar is never sent")
    flake, (secret, public) = make_flake(), (tmp_path / "secret", tmp_path / "public")
    key = ("nix-store", "--generate-binary-cache-key", "cache.test-1", str(secret), str(public))
    copy = ("nix", "copy", "--to", f"file://{tmp_path}/cache?secret-key={secret}", str(shapes("chatty")))
    for command in (key, copy):
        subprocess.run(command, env=nix_environ, check=True, capture_output=True)
    shown = {str(ROOT / "tests"): "/w/tests", str(tmp_path): str(tmp_path), str(flake): str(flake)}
    mounts = [word for here, there in shown.items() for word in ("-v", f"{here}:{there}:ro")]
    python = (
        "--entrypoint",
        "/opt/flakeship/bin/python",
        "-e",
        "PYTHONPATH=/w",
        "-e",
        "PYTHONDONTWRITEBYTECODE=1",
    )
    words = (str(tmp_path / "cache"), str(flake), public.read_text().strip(), *names)
    said = dockerd("run", "--rm", *mounts, *python, action_image, "-c", WITHIN, *words)
    release, seconds, log, warnings = json.loads(said.splitlines()[-1])
    assert release.startswith("nix (Nix) 2.2"), release
    assert "chatty> one" in log, log
    assert seconds < 10
    assert len(warnings) == len(names), warnings
    for name in names:
        assert any(re.search(FAULTS[name][2], warning) for warning in warnings), warnings
