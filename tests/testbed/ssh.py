"""A real sshd on loopback that serves git repositories to the holder of one key."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import platform
import shutil
import socketserver
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.testbed import archives

SSHD: Final = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin") or "/usr/sbin/sshd"
_OF_ROOT: Final = Path("/run/sshd")
"""Root's sshd wants this folder, which its service would make."""
_OF_TESTS: Final = 0o711
"""The mode by which one of ours is known: a service makes it with 0755."""


def new_key(path: Path, kind: str = "ed25519", *options: str) -> str:
    """Make a pair of keys, `path` and `path.pub`, and return the private one."""
    arguments = ("-q", "-t", kind, "-N", "", "-C", "test", "-f", str(path), *options)
    subprocess.run(["ssh-keygen", *arguments], check=True)
    return path.read_text()


@pytest.fixture(scope="session")
def what_sshd_wants() -> Iterator[None]:
    """Root's sshd has its folder."""
    with folder_of_sshd():
        yield


@contextlib.contextmanager
def folder_of_sshd() -> Iterator[None]:
    """Make the folder that root's sshd wants, until the block is left; one that was there stays.

    Several test runs may share it: each holds a lock on it, and the last one that leaves removes it.
    """
    if os.geteuid() or (_OF_ROOT.exists() and not _is_of_tests()):
        yield
        return
    handle = _shared()
    yield
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _OF_ROOT.rmdir()
    os.close(handle)


def _shared() -> int:
    """A handle of the folder, which no other one removes while it is open."""
    while True:
        _OF_ROOT.mkdir(mode=_OF_TESTS, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            handle = os.open(_OF_ROOT, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(handle, fcntl.LOCK_SH)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), _OF_ROOT.stat()):
                    return handle
            os.close(handle)


def _is_of_tests() -> bool:
    with contextlib.suppress(FileNotFoundError):
        return stat.S_IMODE(_OF_ROOT.stat().st_mode) == _OF_TESTS
    return True


@dataclass(frozen=True, slots=True)
class SshServer:
    """`key` is the private key that it takes, `known` its line of known_hosts, `asked` what clients wanted to run."""

    port: int
    key: str
    known: str
    log: Path
    commands: Path

    def url(self, repository: Path) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{repository}"

    @property
    def asked(self) -> list[str]:
        return self.commands.read_text().splitlines()


@pytest.fixture(scope="session")
def ssh_server(tmp_path_factory: pytest.TempPathFactory, what_sshd_wants: None) -> Iterator[SshServer]:
    """One for all tests; each connection has an sshd of its own, so that the port is free when it is taken."""
    folder = tmp_path_factory.mktemp("sshd")
    new_key(folder / "host")
    key = new_key(folder / "client")
    wrapper, commands = folder / "serve", folder / "commands"
    commands.touch()
    wrapper.write_text(
        f'#!/bin/sh\necho "$SSH_ORIGINAL_COMMAND" >>{commands}\nexec git shell -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    wrapper.chmod(0o755)
    (folder / "authorized").write_text(f'restrict,command="{wrapper}" {(folder / "client.pub").read_text()}')
    config = folder / "config"
    config.write_text(
        f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\nPidFile none\nStrictModes no\n"
        "UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n"
        f"SetEnv GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*\n"
    )
    log = folder / "log"

    class Serves(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            argv = [SSHD, "-i", "-f", str(config), "-E", str(log)]
            subprocess.run(argv, stdin=self.request, stdout=self.request, check=False)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Serves) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        port = server.server_address[1]
        kind, public, *_ = (folder / "host.pub").read_text().split()
        yield SshServer(port, key, f"[127.0.0.1]:{port} {kind} {public}", log, commands)
        server.shutdown()
        thread.join()


@pytest.fixture
def fetching_environ(ssh_server: SshServer, nix_environ: Mapping[str, str], tmp_path: Path) -> dict[str, str]:
    """What lets Nix and git fetch from the server without any of our code."""
    key = tmp_path / "key-of-the-test"
    key.touch(mode=0o600)
    key.write_text(ssh_server.key)
    ssh = f"ssh -i {key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    return {**nix_environ, "GIT_SSH_COMMAND": ssh}


@pytest.fixture
def private_repository(tmp_path: Path, git: Callable[..., str]) -> Path:
    """A bare repository with one commit, of the file `secret-sauce`."""
    work, bare = tmp_path / "private-work", tmp_path / "private.git"
    work.mkdir()
    git(work, "init", "-q", "-b", "main")
    (work / "secret-sauce").write_text("tahini")
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", "sauce")
    git(tmp_path, "clone", "-q", "--bare", str(work), str(bare))
    return bare


@pytest.fixture
def private_submodule(
    private_repository: Path, git: Callable[..., str], ssh_server: SshServer, tmp_path: Path
) -> Path:
    """A bare repository of which `pot` is a submodule, by its address on the server: the private repository."""
    work, bare = tmp_path / "kitchen-work", tmp_path / "kitchen.git"
    git(tmp_path, "init", "-q", "-b", "main", str(work))
    (work / ".gitmodules").write_text(
        f'[submodule "pot"]\n\tpath = pot\n\turl = {ssh_server.url(private_repository)}\n'
    )
    commit = git(private_repository, "rev-parse", "main").strip()
    git(work, "add", "-A")
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{commit},pot")
    git(work, "commit", "-q", "-m", "kitchen")
    git(tmp_path, "clone", "-q", "--bare", str(work), str(bare))
    return bare


def write_sauced(folder: Path, url: str, *, before: str = "", file: str = "secret-sauce") -> None:
    """A flake whose package can't be evaluated without a `file` of the input at `url`.

    `before` are commands that the builder runs first; busybox is all that it has.
    """
    (folder / "bin").mkdir(parents=True)
    shutil.copy(archives.BUSYBOX, folder / "busybox")
    for name in ("cat", "env", "mkdir", "chmod"):
        (folder / "bin" / name).symlink_to("../busybox")
    script = f"{before} mkdir $out $out/bin; echo $sauce >$out/bin/sauce; chmod +x $out/bin/sauce"
    system = f"{platform.machine()}-linux"
    (folder / "flake.nix").write_text(
        f"""{{
  inputs.sauce = {{ url = "{url}"; flake = false; }};
  outputs = {{ self, sauce }}: {{
    packages.{system}.default = derivation {{
      name = "sauced";
      system = "{system}";
      builder = "${{self}}/busybox";
      args = [ "sh" "-c" "{script}" ];
      PATH = "${{self}}/bin";
      sauce = builtins.readFile "${{sauce}}/{file}";
    }};
  }};
}}
"""
    )
