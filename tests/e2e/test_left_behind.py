"""What is left of a run that fails, or that gets signal 9: nothing that the next run does not remove or use."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.e2e.starting import Start, ended, entries, wait_for
from tests.testbed.registry import FaultProxy, Registry

pytestmark = pytest.mark.slow


def test_after_signal_9_the_next_push_sends_what_was_missing(
    start: Start, proxy: FaultProxy, registry: Registry, archive: Path, tmp_path: Path
) -> None:
    repository = registry.new_repository()
    flags = ("--source", str(archive), "--tags", f"{proxy.host}/{repository}:1", "--layer-cache", "off")
    hold = proxy.hold_next("PUT", f"{repository}/blobs/uploads/", skip=2)
    killed = start(*flags, "--max-concurrent-uploads", "1")
    assert hold.arrived.wait(30)
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    killed.kill()
    killed.wait()
    hold.drop()
    done = start(*flags)
    _, said = done.communicate(timeout=30)
    assert done.returncode == 0, said
    assert registry.tags(repository) == ["1"]
    sent = [put.status for put in proxy.of("PUT", "/blobs/uploads/")]
    assert sent.count(201) == 4, "each layer and the config, once"
    assert not list((tmp_path / "temporary").iterdir()), "the folder of the run that was killed"


def test_signal_9_ends_the_script_and_what_was_half_written_goes(
    start: Start, archive: Path, tmp_path: Path
) -> None:
    """`start` looks for processes with our TMPDIR, which a script of the user's own has too."""
    script = tmp_path / "stream"
    script.write_text(f"#!/bin/sh\nhead -c -1000 {archive}\nexec sleep 1000\n")
    script.chmod(0o755)
    flags = ("--to", "oci:x:1\ndocker-archive:out/image.tar")
    killed = start("--source", str(script), *flags, "--log-level", "debug")
    wait_for(killed, " written ")
    deadline = time.monotonic() + 30
    while not (begun := list((tmp_path / "out").glob(".flakeship-*"))):  # which one is written first is open
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (partial,) = begun
    killed.kill()
    killed.wait()
    done = start("--source", str(archive), *flags)
    _, said = done.communicate(timeout=30)
    assert done.returncode == 0, said
    assert not partial.exists()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["image.tar"]
    assert entries(tmp_path / "x") == ["1"]


def test_a_layer_that_is_refused_leaves_no_session_of_the_others(
    start: Start, proxy: FaultProxy, registry: Registry, archive: Path
) -> None:
    repository = registry.new_repository()
    uploads = f"{repository}/blobs/uploads/"
    held = [proxy.hold_next("PUT", uploads) for _ in range(2)]
    proxy.fail_next("PUT", uploads, status=403)
    process = start("--source", str(archive), "--tags", f"{proxy.host}/{repository}:1")
    assert all(hold.arrived.wait(30) for hold in held)
    returned, said, _ = ended(process)
    assert returned == 5
    assert "403" in said
    assert registry.open_uploads(repository) == []
    for hold in held:
        hold.drop()
