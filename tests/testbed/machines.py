"""Machines that Nix reaches by ssh: each a real sshd on loopback with a store of its own, in a mount namespace."""

from __future__ import annotations

import contextlib
import getpass
import itertools
import os
import platform
import shlex
import shutil
import signal
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.testbed import archives
from tests.testbed.nix import NIX_CONFIG
from tests.testbed.ssh import SSHD, new_key

THIS_SYSTEM = f"{platform.machine()}-linux"
_SERVE = """\
#!/bin/sh
# What sshd runs for the client: Nix there, whose /nix and /etc/nix are the folders of this machine.
echo "$SSH_ORIGINAL_COMMAND" >>{folder}/commands
exec unshare {flags} sh -c 'mount --bind {folder}/nix /nix && {conf}
export HOME={folder} NIX_CONFIG="$(cat {folder}/nix.conf)" NIX_REMOTE={remote}
exec sh -c "$SSH_ORIGINAL_COMMAND"'
"""
_DAEMON = """\
mount --bind {folder}/nix /nix && {conf}
export HOME={folder} NIX_CONFIG="$(cat {folder}/nix.conf)" NIX_REMOTE=local NIX_DAEMON_SOCKET_PATH={folder}/socket
exec nix-daemon
"""


@dataclass(slots=True)
class FarMachine:
    """`key` is the private key that it takes, `known` its line of known_hosts, `host_key` what that ends with.

    `folder` holds its store (`nix/store`), `nix.conf`, which counts from the next connection on, and `commands`.
    """

    name: str
    folder: Path
    key: str
    host_key: str
    port: int = 0
    closes: Container[int] = ()
    """The connections that are closed before a word is said, by their numbers from 1 on: what sshd does by MaxStartups."""
    reached: int = 0
    """The number of the last connection."""
    _stop: Callable[[], None] = field(default=lambda: None, repr=False)
    _connections: list[subprocess.Popen[bytes]] = field(default_factory=list, repr=False)

    @property
    def known(self) -> str:
        return f"[127.0.0.1]:{self.port} {self.host_key}"

    @property
    def address(self) -> str:
        """`USER@127.0.0.1:PORT`."""
        return f"{getpass.getuser()}@127.0.0.1:{self.port}"

    @property
    def commands(self) -> list[str]:
        """What clients wanted to run there, one for each connection that was let in."""
        return (self.folder / "commands").read_text().splitlines()

    def has(self, name: str) -> bool:
        """Whether its store holds a path of that name that is not a derivation's."""
        return any((self.folder / "nix/store").glob(f"*-{name}"))

    def fill(self) -> None:
        """From the next connection on its disk has room for a store that is empty, and for nothing else."""
        serve = self.folder / "serve"
        disk = f"mount -t tmpfs -o size=1m disk {self.folder}/nix && mount --bind {self.folder}/nix"
        serve.write_text(serve.read_text().replace(f"mount --bind {self.folder}/nix", disk))

    def settings(self, *lines: str) -> None:
        """Lines of nix.conf for the next connections."""
        (self.folder / "nix.conf").write_text(NIX_CONFIG + "".join(f"{line}\n" for line in lines))

    def kill(self) -> None:
        """As if the plug was pulled: no new connection is accepted, and those that are open end."""
        self._stop()
        for connection in list(self._connections):  # each is removed when it ends
            _end(connection.pid)

    def freeze(self) -> None:
        """As if the network swallowed everything: connections stay open, and nobody is behind them."""
        for connection in list(self._connections):  # each is removed when it ends
            _signal(connection.pid, signal.SIGSTOP)

    def drop(self) -> None:
        """End all that runs there; the next connection is served."""
        for connection in list(self._connections):  # each is removed when it ends
            _end(connection.pid)


def _end(pid: int) -> None:
    _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    """To a process and what descends from it, which has sessions of its own: sshd sees to that."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)  # or it starts another one meanwhile
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
    for child in found.stdout.split():
        _signal(int(child), number)


MakeMachine = Callable[..., FarMachine]


@pytest.fixture(scope="session")
def machine_keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The private and the public half of the key that all machines take."""
    folder = tmp_path_factory.mktemp("machine-keys")
    return new_key(folder / "client"), (folder / "client.pub").read_text()


@pytest.fixture
def make_machine(
    tmp_path: Path, machine_keys: tuple[str, str], what_sshd_wants: None
) -> Iterator[MakeMachine]:
    """`make_machine("b1")` starts one; with `trusts="NAME"` a daemon serves there, which trusts that user alone."""
    with contextlib.ExitStack() as scope:

        def make(name: str, *, trusts: str = "") -> FarMachine:
            return scope.enter_context(started(tmp_path / f"machine-{name}", name, machine_keys, trusts))

        yield make


@contextlib.contextmanager
def started(folder: Path, name: str, keys: tuple[str, str], trusts: str = "") -> Iterator[FarMachine]:
    """A machine until the block is left; `keys` are the private and the public half of the one that it takes."""
    for part in ("nix", "etc"):
        (folder / part).mkdir(parents=True)
    (folder / "commands").touch()
    new_key(folder / "host")
    kind, public, *_ = (folder / "host.pub").read_text().split()
    machine = FarMachine(name, folder, keys[0], f"{kind} {public}")
    machine.settings(*([f"trusted-users = {trusts}"] if trusts else []))
    filled = {
        "folder": folder,
        "flags": "-m" if os.geteuid() == 0 else "-rm",
        "conf": f"if [ -d /etc/nix ]; then mount --bind {folder}/etc /etc/nix; fi",
        "remote": f"unix://{folder}/socket" if trusts else "local",
    }
    serve = folder / "serve"
    serve.write_text(_SERVE.format(**filled))
    serve.chmod(0o755)
    (folder / "authorized").write_text(f'restrict,command="{serve}" {keys[1]}')
    (folder / "config").write_text(
        f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\nPidFile none\nStrictModes no\n"
        "UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n"
    )
    with contextlib.ExitStack() as scope:
        if trusts:
            scope.enter_context(_daemon(folder, _DAEMON.format(**filled), filled["flags"]))
        scope.enter_context(_served(machine))
        yield machine
        machine.kill()


@contextlib.contextmanager
def _daemon(folder: Path, script: str, flags: object) -> Iterator[None]:
    process = subprocess.Popen(["unshare", str(flags), "sh", "-c", script], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while not (folder / "socket").exists():
        assert time.monotonic() < deadline, shlex.quote(script)
        time.sleep(0.02)
    yield
    _end(process.pid)
    process.wait(10)


@contextlib.contextmanager
def _served(machine: FarMachine) -> Iterator[None]:
    """Each connection has an sshd of its own, so that the port is free when it is taken."""

    numbers = itertools.count(1)

    class Serves(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            machine.reached = next(numbers)
            if machine.reached in machine.closes:
                return
            argv = [SSHD, "-i", "-f", str(machine.folder / "config"), "-E", str(machine.folder / "log")]
            child = subprocess.Popen(argv, stdin=self.request, stdout=self.request)
            machine._connections.append(child)
            child.wait()
            machine._connections.remove(child)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Serves) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        stopped = threading.Event()

        def stop() -> None:
            if not stopped.is_set():
                stopped.set()
                server.shutdown()
                server.socket.close()

        machine.port, machine._stop = server.server_address[1], stop
        yield
        stop()
        thread.join()


def write_joined(folder: Path, *, salt: str = "", seconds: float = 0, system: str = THIS_SYSTEM) -> None:
    """A flake whose package `joined` needs `left` and `right`, each of which says `started` and takes so many seconds.

    `joined` fails where its salt is `broken`. `imported` is the same, and evaluating it builds `left`.
    """
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy(archives.BUSYBOX, folder / "busybox")
    for name in ("mkdir", "cp", "sleep", "false"):
        (folder / "bin" / name).unlink(missing_ok=True)
        (folder / "bin" / name).symlink_to("../busybox")
    (folder / "flake.nix").write_text(
        f"""{{
  outputs = {{ self }}: let
    made = name: script: derivation {{
      inherit name;
      system = "{system}";
      builder = "${{self}}/busybox";
      args = [ "sh" "-c" script ];
      PATH = "${{self}}/bin";
      salt = "{salt}";
    }};
    part = name: made name "echo started; sleep {seconds}; mkdir $out; cp ${{self}}/busybox $out/${{name}}";
  in {{
    packages.{system} = rec {{
      left = part "left";
      right = part "right";
      joined = made "joined" "echo joining; {"false" if salt == "broken" else "true"} && mkdir -p $out/bin && cp ${{left}}/left $out/bin/joined; cp ${{right}}/right $out/lib";
      imported = builtins.seq (builtins.pathExists "${{left}}/left") joined;
    }};
  }};
}}
"""
    )
