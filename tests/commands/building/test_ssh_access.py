"""What git is told of the key and the hosts: real ssh reads it, wherever the run's folder is."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flakeship.commands.building import ssh_access
from flakeship.commands.building.ssh_access import SshAccess
from flakeship.errors import BuildError, UsageError
from flakeship.nix.machine import Address, Machine
from flakeship.nix.ssh_hosts import WELL_KNOWN
from flakeship.settings.declaration import Settings
from tests.testbed.ssh import new_key

pytestmark = pytest.mark.slow  # they start programs


@pytest.fixture
def key(tmp_path: Path) -> str:
    return new_key(tmp_path / "new")


@pytest.mark.parametrize("name", ["plain", "with space", "per%cent", "it's", "$HOME", "ü"])
def test_ssh_finds_the_files_in_a_folder_of_any_name(name: str, key: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    access = SshAccess.of(Settings(ssh_key=key))
    with access.opened(folder, os.environ) as ssh:
        assert ssh.key == folder / "ssh-key"
        assert ssh.key.stat().st_mode & 0o777 == 0o600
        assert ssh.key.read_text() == key
        # git appends the host and a command, as this does
        line = f"{ssh.variables['GIT_SSH_COMMAND']} -v -oProxyCommand=false github.com true"
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
        shown = subprocess.run(
            ["sh", "-c", f"{ssh.variables['GIT_SSH_COMMAND']} -G github.com"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        assert re.search(r"identity file .*/ssh-key type 3", done.stderr), "an Ed25519 key was read"
        with ssh.without_key():
            assert not ssh.key.exists()
        assert ssh.key.read_text() == key
    assert not list(folder.glob("ssh-key"))
    home = pwd.getpwuid(os.geteuid()).pw_dir
    assert {"stricthostkeychecking true", "identitiesonly yes", "batchmode yes", "forwardagent no"} <= set(
        shown
    )
    assert (
        f"userknownhostsfile {folder}/ssh-known-hosts {home}/.ssh/known_hosts {home}/.ssh/known_hosts2"
        in shown
    )


def test_without_a_key_an_agent_is_asked_and_a_host_that_is_named_is_believed(tmp_path: Path) -> None:
    access = SshAccess.of(
        Settings(ssh_known_hosts=(f"git.example ssh-ed25519 {WELL_KNOWN['codeberg.org']}",))
    )
    with access.opened(tmp_path, os.environ) as ssh:
        assert ssh.key is None
        assert "IdentityAgent" not in ssh.variables["GIT_SSH_COMMAND"]
        assert (tmp_path / "ssh-known-hosts").read_text().startswith("git.example ")
        with ssh.without_key():
            pass
    assert not (tmp_path / "ssh-key").exists()


@pytest.mark.parametrize(
    ("hosts", "known"),
    [
        ("[b1.example]:2222", True),
        ("b1.example", True),
        ("@cert-authority *.example", True),
        ("@revoked b1.example", False),
        ("[b1.example]:2223", False),
    ],
)
def test_a_line_without_a_port_is_for_all_ports_as_ssh_has_it(
    hosts: str, known: bool, tmp_path: Path
) -> None:
    machine = Machine(Address("b1.example", port=2222), "b1")
    line = f"{hosts} ssh-ed25519 {WELL_KNOWN['codeberg.org']}"
    access = SshAccess.of(Settings(ssh_known_hosts=(line,)))
    with access.opened(tmp_path, os.environ, [machine]) as ssh:
        assert ssh.knows(machine) == known
        assert bool(ssh.host_key(machine)) == (known and not hosts.startswith("@")), (
            "an authority's key is no host's"
        )


def test_a_configuration_of_ssh_that_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Match exec` in it runs a program, which may wait for whatever it likes: here `ssh` itself does."""
    (tmp_path / "ssh").write_text("#!/bin/sh\nexec sleep 1000\n")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setattr(ssh_access, "_SECONDS", 0.2)
    environ = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    machine = Machine(Address("b1.example"), "b1")
    hosts = (f"git.example ssh-ed25519 {WELL_KNOWN['codeberg.org']}",)
    with (
        SshAccess.of(Settings(ssh_known_hosts=hosts)).opened(tmp_path, environ, [machine]) as ssh,
        pytest.raises(
            UsageError, match=r"`ssh` reads its configuration .* for more than 0\.2 seconds"
        ) as caught,
    ):
        ssh.knows(machine)
    assert caught.value.hint.startswith("look for `Match exec` in ")


def test_a_machine_without_ssh_is_told_what_to_install(key: str, tmp_path: Path) -> None:
    with (
        pytest.raises(BuildError, match="there is no `ssh` in PATH") as caught,
        SshAccess.of(Settings(ssh_key=key)).opened(tmp_path, {"PATH": str(tmp_path)}),
    ):
        pass
    assert "openssh-client" in caught.value.hint


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 15)", "os._exit(0)"])
def test_the_key_goes_with_the_process_however_that_ends(end: str, key: str, tmp_path: Path) -> None:
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom flakeship.commands.building.ssh_access import SshAccess\n"
        "from flakeship.settings.declaration import Settings\n"
        "with SshAccess.of(Settings(ssh_key=sys.stdin.read())).opened(Path('.'), os.environ) as ssh:\n"
        f"    assert ssh.key.exists()\n    {end}\n"
    )
    subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, input=key, text=True, check=False, capture_output=True
    )
    patience = time.monotonic() + 10
    while (tmp_path / "ssh-key").exists() and time.monotonic() < patience:
        time.sleep(0.01)
    assert not (tmp_path / "ssh-key").exists()
    assert (tmp_path / "ssh-known-hosts").exists(), "it was there"
