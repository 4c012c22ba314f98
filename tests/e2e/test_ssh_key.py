"""Private inputs over ssh: real Nix, git and ssh fetch from a real sshd with the key of an input, which nobody else gets."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.starting import Start, entries
from tests.testbed.command import Ended, Publish
from tests.testbed.ssh import SshServer, new_key, write_sauced

pytestmark = pytest.mark.slow

ARGUMENTS = ("--log-level", "debug", "--to", "oci:image")


@pytest.fixture
def flake(tmp_path: Path, git: Callable[..., str], ssh_server: SshServer, private_submodule: Path) -> Path:
    """A package that needs a submodule of a private repository; its builder looks for the key, and prints what it finds."""
    folder = tmp_path / "app"
    looked = f"$TMPDIR/../*/ssh-key /tmp/*/ssh-key {tmp_path}/temporary/*/ssh-key"
    url = f"git+{ssh_server.url(private_submodule)}?ref=main&submodules=1"
    write_sauced(folder, url, before=f"cat {looked}; env;", file="pot/secret-sauce")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "flake")
    return folder


def fetched(publish: Publish, flake: Path, *flags: str, **environ: str) -> Ended:
    return publish("--flake", ".", *ARGUMENTS, *flags, cwd=flake, **environ)


def refused(publish: Publish, flake: Path, code: int, key: str, known: str) -> str:
    """What a run says that ends with `code`."""
    done = fetched(publish, flake, FLAKESHIP_SSH_KEY=key, FLAKESHIP_SSH_KNOWN_HOSTS=known)
    assert done.code == code, done.stderr
    assert not entries(flake / "image")
    hidden(key, done.stderr)
    return done.stderr[done.stderr.index("error: ") :]


def hidden(key: str, text: str) -> None:
    """Nothing of the key is in a text: not the whole, no line of it, none of its Base64."""
    body = [line for line in key.splitlines() if "-----" not in line]
    encoded = base64.b64encode(key.encode()).decode()
    for piece in (*body, encoded, *(encoded[start : start + 76] for start in range(0, len(encoded), 76))):
        assert piece not in text


@pytest.mark.parametrize("sandbox", ["false", pytest.param("true", marks=pytest.mark.long)])
def test_an_input_over_ssh_is_fetched_by_the_key(
    sandbox: str, publish: Publish, flake: Path, ssh_server: SshServer
) -> None:
    mangled = ssh_server.key.rstrip("\n").replace("\n", "\r\n")
    known = f"# a comment\n{ssh_server.known}\n"
    config, before = ("--nix-config", f"sandbox = {sandbox}"), len(ssh_server.asked)
    done = fetched(publish, flake, *config, FLAKESHIP_SSH_KEY=mangled, FLAKESHIP_SSH_KNOWN_HOSTS=known)
    assert done.code == 0, done.stderr
    (looked,) = (line for line in done.stderr.splitlines() if "/temporary/*/ssh-key" in line)
    assert "No such file" in looked, "no builder sees the key, isolated or not"
    assert f"sandbox: {'on' if sandbox == 'true' else 'off'}" in done.stderr
    asked = {Path(line.split("'")[1]).name for line in ssh_server.asked[before:]}
    assert asked == {"kitchen.git", "private.git"}, "the repository and its submodule"
    hidden(ssh_server.key, done.stderr + done.stdout)


def test_a_host_with_another_key_is_not_spoken_to(
    publish: Publish, flake: Path, ssh_server: SshServer, tmp_path: Path
) -> None:
    """Nor is one that nobody named; the key is not shown to it in either case."""
    new_key(tmp_path / "other")
    host, other = ssh_server.known.split()[0], (tmp_path / "other.pub").read_text()
    asked = len(ssh_server.asked)
    said = refused(publish, flake, 5, ssh_server.key, f"{host} {other}")
    assert f"the host {host} shows another key than the one that is known" in said
    assert "ssh-known-hosts" in said
    said = refused(publish, flake, 5, ssh_server.key, f"elsewhere.example {other}")
    assert f"the host {host} is not known" in said
    assert "ssh-known-hosts" in said
    assert len(ssh_server.asked) == asked


def test_a_key_that_the_host_does_not_take(
    publish: Publish, flake: Path, ssh_server: SshServer, tmp_path: Path
) -> None:
    said = refused(publish, flake, 3, new_key(tmp_path / "other", "rsa", "-b", "2048"), ssh_server.known)
    assert "Permission denied (publickey" in said
    assert "ssh-key" in said


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("FLAKESHIP_SSH_KEY", "hunter2hunter2", "ssh-key is no private key"),
        ("FLAKESHIP_SSH_KNOWN_HOSTS", "github.com", "ssh-known-hosts, line 1 has not the host"),
    ],
)
def test_what_can_not_be_used_is_an_error_before_nix_evaluates(
    name: str, value: str, words: str, publish: Publish, tmp_path: Path
) -> None:
    done = fetched(publish, tmp_path, **{name: value})
    assert done.code == 2
    assert words in done.stderr
    assert "hunter2" not in done.stderr
    assert "nix eval" not in done.stderr


def test_after_signal_9_the_key_is_gone_at_once(
    start: Start, flake: Path, ssh_server: SshServer, tmp_path: Path
) -> None:
    """While git waits for a host that accepts a connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        text = (flake / "flake.nix").read_text()
        port = silent.getsockname()[1]
        (flake / "flake.nix").write_text(text.replace(f":{ssh_server.port}/", f":{port}/"))
        file = tmp_path / "key"
        file.write_text(ssh_server.key)
        killed = start("--flake", ".", *ARGUMENTS, "--ssh-key-file", str(file), cwd=flake)
        connection, _ = silent.accept()
        (key,) = (tmp_path / "temporary").glob("*/ssh-key")
        assert key.stat().st_mode & 0o777 == 0o600
        assert key.read_text() == ssh_server.key
        killed.kill()
        killed.wait()
        patience = time.monotonic() + 10
        while key.exists() and time.monotonic() < patience:
            time.sleep(0.01)
        assert not key.exists()
        connection.close()
    done = start("--source", "nothing", *ARGUMENTS, cwd=flake)
    done.communicate(timeout=30)
    assert not list((tmp_path / "temporary").iterdir())
