"""A runner whose Nix is a daemon that does not trust the user: it heeds none of the user's caches and does not say so."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TypeAlias

import pytest

from tests.e2e.conftest import RunStep
from tests.e2e.starting import Start
from tests.testbed.command import Publish
from tests.testbed.machines import THIS_SYSTEM, MakeMachine, write_joined
from tests.testbed.nix import NIX_CONFIG, MakeFlake
from tests.testbed.ssh import SshServer, write_sauced

pytestmark = pytest.mark.slow

StartDaemon: TypeAlias = Callable[..., Mapping[str, str]]


@pytest.fixture
def daemon() -> Iterator[StartDaemon]:
    """`daemon(trusted)` starts one that trusts this user alone, and gives the environment of its clients.

    Its own environment has `ssh` as NIX_SSHOPTS, in place of root's ~/.ssh/config. `around` is a program that starts it.
    """
    with tempfile.TemporaryDirectory() as folder:
        socket, started = Path(folder) / "socket", []

        def start(trusted: str, ssh: str = "", *around: str) -> Mapping[str, str]:
            config = f"{NIX_CONFIG}trusted-users = {trusted}\n"
            own = {"NIX_DAEMON_SOCKET_PATH": str(socket), "NIX_CONFIG": config, "NIX_SSHOPTS": ssh}
            started.append(
                subprocess.Popen(
                    [*around, "nix-daemon"], env={**os.environ, **own}, stderr=subprocess.DEVNULL
                )
            )
            deadline = time.monotonic() + 10
            while not socket.exists():
                assert time.monotonic() < deadline
                time.sleep(0.02)
            return {"NIX_REMOTE": f"unix://{socket}", "NIX_CONFIG": config}

        yield start
        for process in started:
            process.terminate()
            process.wait(10)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[str]:
    """The URL of a binary cache that answers."""
    root = tmp_path / "cache"
    root.mkdir()
    (root / "nix-cache-info").write_text("StoreDir: /nix/store\n")

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(root))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("trusted", "warnings"), [("somebody-else", 1), ("root", 0)])
def test_a_daemon_that_does_not_trust_us_is_warned_of(
    step: RunStep,
    make_flake: Callable[..., Path],
    daemon: StartDaemon,
    cache: str,
    tmp_path: Path,
    *,
    trusted: str,
    warnings: int,
) -> None:
    done = step(
        make_flake(),
        environ=daemon(trusted),
        flake=".#layered",
        substituters=cache,
        to=f"oci:{tmp_path}/out",
        lint="off",
    )
    assert done.code == 0, done.log.shown
    told = [command.data.split("\n") for command in done.log.named("warning")]
    hints = [
        hint for text, hint in told if text.startswith("Nix's daemon ignores caches that a user chooses")
    ]
    assert len(hints) == warnings, told
    assert all("trusted-users" in hint for hint in hints)


@pytest.mark.parametrize("around", [(), ("unshare", "--net")], ids=["here", "elsewhere"])
def test_a_daemon_takes_from_the_cache_where_it_reaches_us_and_else_is_told_of(
    around: tuple[str, ...], publish: Publish, daemon: StartDaemon, make_flake: MakeFlake, tmp_path: Path
) -> None:
    """Its process is seen here, as in a container with those of the machine: only asking tells where its network is."""
    folder, clients = make_flake(fresh=True), daemon("root", "", *around)
    flags = ("--flake", ".#hello", "--to", "oci:x", "--reuse", "off", "--nix-cache", f"oci:{tmp_path}/cache")
    first = publish(*flags, cwd=folder, **clients)
    assert "Nix: 1 derivation built here; 2 new in the cache" in first.stderr, first.stderr
    derivation = first.stderr.partition("building '")[2].partition("'")[0]
    forgotten = 'nix-store --delete $(nix-store --query --outputs "$1")'
    subprocess.run(("sh", "-euc", forgotten, "sh", derivation), env={**os.environ, **clients}, check=True)

    again = publish(*flags, cwd=folder, **clients)

    assert again.code == 0, again.stderr
    warned = "Nix takes nothing from the cache" in again.stderr and "its daemon can't reach" in again.stderr
    taken = "Nix: 1 path from the cache" in again.stderr
    built = "Nix: 1 derivation built here" in again.stderr and "Nix could take nothing" in again.stderr
    assert (warned, taken, built) == ((True, False, True) if around else (False, True, False)), again.stderr


@pytest.mark.long
def test_where_a_daemon_builds_the_client_fetches_with_the_key(
    publish: Publish,
    daemon: StartDaemon,
    ssh_server: SshServer,
    private_repository: Path,
) -> None:
    """The daemon is told neither the key nor where it is, and nobody else could fetch."""
    folder = private_repository.parent / "app"
    write_sauced(folder, f"git+{ssh_server.url(private_repository)}?ref=main")
    given = {"FLAKESHIP_SSH_KEY": ssh_server.key, "FLAKESHIP_SSH_KNOWN_HOSTS": ssh_server.known}
    done = publish("--flake", "path:.", "--to", "oci:image", cwd=folder, **given, **daemon("root"))
    assert done.code == 0, done.stderr


@pytest.mark.long
@pytest.mark.parametrize("trusted", ["root", "somebody-else"])
def test_a_daemon_reaches_builders_by_itself_if_it_trusts_us(
    trusted: str, publish: Publish, daemon: StartDaemon, make_machine: MakeMachine, tmp_path: Path
) -> None:
    """It gets the file of the key and the host's key; a name for another port than 22 stands in root's own ssh_config."""
    machine = make_machine("b1")
    of_root = tmp_path / "ssh_config_of_root"
    of_root.write_text(f"Host far\n  HostName 127.0.0.1\n  Port {machine.port}\n  HostKeyAlias far\n")
    given = {
        "FLAKESHIP_BUILDERS": f"root@far {THIS_SYSTEM}",
        "FLAKESHIP_SSH_KEY": machine.key,
        "FLAKESHIP_SSH_KNOWN_HOSTS": f"far {machine.host_key}",
    }
    write_joined(tmp_path / "app", salt=str(uuid.uuid4()))
    words = ("--flake", f"path:{tmp_path}/app#joined", "--to", "oci:image", "--log-level", "debug")
    done = publish(*words, **given, **daemon(trusted, ssh=f"-F {of_root}"))
    assert done.code == 0, done.stderr
    ignored = "Nix's daemon ignores `--builders`, since it does not trust this user" in done.stderr
    assert ignored == (trusted != "root")
    assert bool(machine.commands) == (trusted == "root")
    assert ("the builder root@far built " in done.stderr) == (trusted == "root"), done.stderr


@pytest.mark.long
def test_a_builder_that_a_daemon_loses_is_done_without(
    start: Start, daemon: StartDaemon, make_machine: MakeMachine, tmp_path: Path
) -> None:
    machine = make_machine("b1")
    of_root = tmp_path / "ssh_config_of_root"
    of_root.write_text(f"Host far\n  HostName 127.0.0.1\n  Port {machine.port}\n  HostKeyAlias far\n")
    write_joined(tmp_path / "app", salt=str(uuid.uuid4()), seconds=1)
    run = start(
        *("--flake", f"path:{tmp_path}/app#joined", "--to", "oci:image", "--log-level", "debug"),
        FLAKESHIP_BUILDERS=f"root@far {THIS_SYSTEM}",
        FLAKESHIP_SSH_KEY=machine.key,
        FLAKESHIP_SSH_KNOWN_HOSTS=f"far {machine.host_key}",
        **daemon("root", ssh=f"-F {of_root}"),
    )
    assert run.stderr
    said = ""
    while "left> started" not in said or "right> started" not in said:
        said += run.stderr.readline()
    machine.kill()
    said += run.communicate(timeout=60)[1]
    assert run.returncode == 0, said
    assert "warning: the builder root@far was lost while it built " in said
