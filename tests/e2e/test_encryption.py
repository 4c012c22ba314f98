"""TLS and plain http to registries, through the command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.testbed.command import Publish
from tests.testbed.registry import Registry
from tests.testbed.registry_tls import Certified

pytestmark = pytest.mark.slow


def test_a_certificate_that_only_ca_vouches_for(
    publish: Publish, archive: Path, certified: Certified
) -> None:
    flags = ("--source", str(archive), "--tags", f"{certified.host}/a/b:1", "--push")
    refused = publish(*flags)
    assert refused.code == 6
    assert "is not trusted" in refused.stderr
    assert "by `--ca`" in refused.stderr
    taken = publish(*flags, "--ca", str(certified.authority))
    assert taken.code == 0, taken.stderr
    assert taken.stdout.startswith(f"{certified.host}/a/b@sha256:")
    assert publish(*flags, SSL_CERT_FILE=str(certified.authority)).stdout == taken.stdout


def test_plain_http_to_another_machine_only_where_it_is_asked_for(
    nix_environ: Mapping[str, str], archive: Path, registry: Registry, tmp_path: Path
) -> None:
    """The resolver is a stand-in that leads a name to loopback: a test speaks to no other address."""
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\n"
        "real = socket.getaddrinfo\n"
        "socket.getaddrinfo = lambda host, *rest, **more: real('127.0.0.1', *rest, **more)\n"
    )
    host = f"registry.invalid:{registry.host.rpartition(':')[2]}"
    repository = registry.new_repository()

    def publish(*flags: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(sys.executable, "-m", "flakeship", "publish", "--source", str(archive)),
                *("--push", "--tags", f"{host}/{repository}:1", *flags),
            ],
            cwd=tmp_path,
            env={**nix_environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
            capture_output=True,
            text=True,
            check=False,
        )

    refused = publish()
    assert refused.returncode == 6, refused.stderr
    assert "does not speak TLS" in refused.stderr
    assert "plain-http" in refused.stderr
    assert not registry.tags(repository)
    taken = publish("--plain-http", host)
    assert taken.returncode == 0, taken.stderr
    assert registry.tags(repository) == ["1"]
