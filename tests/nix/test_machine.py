"""Machines by ssh: how their addresses are read and named, and what real ones answer."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Container, Mapping
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from flakeship.commands.building.ssh_access import SshAccess
from flakeship.errors import UsageError
from flakeship.events import ignore
from flakeship.nix.command import Nix
from flakeship.nix.machine import Address, Answer, Machine, ask_all, new_alias
from flakeship.nix.ssh_config import ssh_config
from flakeship.nix.ssh_failure import SshCause
from flakeship.settings.declaration import Settings
from tests.testbed.machines import MakeMachine
from tests.testbed.ssh import new_key


@pytest.mark.parametrize(
    ("text", "address", "alias"),
    [
        ("b1", Address("b1"), "b1"),
        ("ssh-ng://nix@b1.example", Address("b1.example", "nix"), "b1.example"),
        ("ssh://b1:2222?compress=true", Address("b1", "", 2222, "compress=true"), "b1"),
        ("nix@[fe80::1%eth0]:22", Address("fe80::1%eth0", "nix", 22), "fe80--1-eth0"),
        ("[::1]", Address("::1"), "1"),
        ("localhost", Address("localhost"), "localhost-2"),
        ("localhost:2222", Address("localhost", port=2222), "localhost-2222"),
    ],
)
def test_an_address_is_read(text: str, address: Address, alias: str) -> None:
    assert Address.parse(text, "builders") == address
    assert new_alias(address, ()) == alias
    assert new_alias(address, (alias,)) != alias


@pytest.fixture
def of_the_user(tmp_path: Path, mocker: MockerFixture) -> Path:
    """The file of the user's own configuration of ssh, where passwd(5) has his home: Nix may have another HOME."""
    (tmp_path / ".ssh").mkdir()
    mocker.patch("pwd.getpwuid").return_value.pw_dir = str(tmp_path)
    return tmp_path / ".ssh/config"


LOOSE = "".join(
    f"  {option}\n"
    for option in (
        "StrictHostKeyChecking no",
        "UserKnownHostsFile /dev/null",
        "BatchMode no",
        "ConnectTimeout 99",
        "ServerAliveInterval 0",
        "ServerAliveCountMax 99",
        "IdentitiesOnly no",
        "ControlMaster auto",
        "ControlPath /tmp/%C",
        "ForwardAgent yes",
    )
)
OURS = {
    "stricthostkeychecking true",
    "batchmode yes",
    "connecttimeout 10",
    "serveraliveinterval 15",
    "serveralivecountmax 4",
    "identitiesonly yes",
    "controlmaster false",
    "forwardagent no",
}


@pytest.mark.parametrize("text", ["b1.example", "root@b1.example:2222"])
def test_the_users_own_configuration_counts_for_a_machine_by_its_name(
    text: str, of_the_user: Path, tmp_path: Path
) -> None:
    """And for a host on the way to it, of which `ssh-known-hosts` may have a line too."""
    of_the_user.write_text(f"Host b1.example\n  ProxyJump gate\n{LOOSE}Host gate\n  Port 77\n")
    address = Address.parse(text, "builders")
    machine = Machine(address, new_alias(address, ()), key=tmp_path / "key", host_key="ssh-ed25519 AAAA")
    written = ssh_config([machine], key=None, hosts=tmp_path / "hosts", own_hosts=[tmp_path / "own"])
    (tmp_path / "config").write_text(written)

    def said(host: str) -> list[str]:
        argv = ["ssh", "-F", str(tmp_path / "config"), "-G", host]
        elsewhere = {"HOME": "/nowhere", "PATH": os.environ["PATH"]}
        done = subprocess.run(argv, env=elsewhere, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    of_machine, of_gate = said(machine.alias), said("gate")
    assert {"proxyjump gate", f"port {address.port or 22}"} <= {*of_machine}
    assert f"userknownhostsfile {tmp_path}/own" in of_machine
    assert {*of_machine} >= OURS, "whatever the user's own says"
    assert {"port 77", "batchmode yes", "stricthostkeychecking true"} <= {*of_gate}
    (believed,) = (line.split() for line in of_gate if line.startswith("userknownhostsfile"))
    assert believed[1] == str(tmp_path / "hosts")
    assert len(believed) == 4, "and the two of the user"


def test_a_configuration_that_ssh_cannot_read_is_named(
    of_the_user: Path, tmp_path: Path, nix_environ: Mapping[str, str]
) -> None:
    of_the_user.write_text("Hots b1\n")
    machine = Machine(Address("b1"), "b1")
    (tmp_path / "run").mkdir()
    with (
        SshAccess.of(Settings()).opened(tmp_path / "run", nix_environ, [machine]) as ssh,
        pytest.raises(UsageError, match=r"can't read its configuration.*Bad configuration option: hots"),
    ):
        ssh.knows(machine)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("https://b1", "https:// is no scheme"),
        ("ssh-ng://", "no address"),
        ("-oProxyCommand=x", "no address"),
        ("b1:ssh", "the port"),
        ("b1:0", "the port"),
        ("nix:hunter2@b1", "no address"),
        ("ssh-ng://b 1", "no address"),
        ("b1/nix", "no address"),
    ],
)
def test_another_address_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=r"^builders: ") as caught:
        Address.parse(text, "builders")
    assert words in caught.value.message
    assert "hunter2" not in caught.value.message


@pytest.mark.slow
def test_all_are_asked_at_the_same_time_and_each_says_what_is_wrong(
    make_machine: MakeMachine, nix_environ: Mapping[str, str], tmp_path: Path
) -> None:
    """Machines whose host key is known from `ssh-known-hosts`, from the machine's own field, or not at all."""
    good = make_machine("good")
    new_key(tmp_path / "other")
    other = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        gone = taken.getsockname()[1]
        answers = _asked(
            {**os.environ, **nix_environ},
            tmp_path,
            Settings(ssh_key=good.key, ssh_known_hosts=(good.known,)),
            [
                (good.address, {}),
                (good.address, {"host_key": good.host_key}),
                (good.address, {"host_key": other}),
                (good.address, {"key": tmp_path / "other"}),
                (f"root@localhost:{good.port}", {}),
                (f"root@127.0.0.1:{gone}", {"host_key": other}),
            ],
        )
        (tmp_path / "apart").mkdir()
        answers += _asked(
            {**os.environ, **nix_environ},
            tmp_path / "apart",
            Settings(),
            [(f"root@127.0.0.1:{silent.getsockname()[1]}", {"host_key": other})],
            patience=1,
        )
    assert [answer.failure and answer.failure.cause for answer in answers] == [
        None,
        None,
        SshCause.CHANGED_HOST_KEY,
        SshCause.REFUSED_KEY,
        SshCause.UNKNOWN_HOST,
        SshCause.NO_ROUTE,
        SshCause.SILENT,
    ]
    good.kill()


@pytest.mark.slow
@pytest.mark.parametrize(("closes", "cause"), [((1,), None), (range(1, 99), SshCause.LOST)])
def test_a_machine_that_closes_the_connection_is_asked_once_more(
    make_machine: MakeMachine,
    nix_environ: Mapping[str, str],
    tmp_path: Path,
    closes: Container[int],
    cause: SshCause | None,
) -> None:
    """As sshd does where more than MaxStartups come at once. One that closes each is lost, and named."""
    machine = make_machine("busy")
    machine.closes = closes
    known = Settings(ssh_key=machine.key, ssh_known_hosts=(machine.known,))
    (answer,) = _asked({**os.environ, **nix_environ}, tmp_path, known, [(machine.address, {})])
    assert (answer.failure.cause if answer.failure else None) == cause
    if answer.failure:
        said = str(answer.failure.error(f"the builder {answer.machine}"))
        assert f"{machine.address} can't be used: the connection was closed" in said
    assert machine.reached == 2


def _asked(
    environ: Mapping[str, str],
    folder: Path,
    settings: Settings,
    wanted: list[tuple[str, dict[str, object]]],
    *,
    patience: float = 100,
) -> list[Answer]:
    """With a patience that a busy machine does not use up: who is silent is asked alone, with less."""
    machines: list[Machine] = []
    for text, own in wanted:
        address = Address.parse(text, "builders")
        alias = new_alias(address, [machine.alias for machine in machines])
        machines.append(Machine(address, alias, **own))  # type: ignore[arg-type]
    with SshAccess.of(settings).opened(folder, environ, machines) as ssh:
        nix = Nix.find(environ={**environ, **ssh.variables}, emit=ignore)
        answers = ask_all(nix, machines, patience=patience)
    assert [answer.machine for answer in answers] == machines
    return answers


def _interrupted_while(ask: Callable[[], object]) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    ask()


def test_who_interrupts_does_not_wait_for_a_machine_that_is_silent(
    nix_environ: Mapping[str, str], tmp_path: Path
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            machine = Machine(Address("127.0.0.1", "root", silent.getsockname()[1]), "silent")
            with SshAccess.of(Settings()).opened(tmp_path, nix_environ, [machine]) as ssh:
                nix = Nix.find(environ={**nix_environ, **ssh.variables}, emit=ignore)
                begun = time.monotonic()
                with pytest.raises(KeyboardInterrupt):
                    _interrupted_while(lambda: ask_all(nix, [machine], patience=200))
                assert time.monotonic() - begun < 100
    finally:
        signal.signal(signal.SIGALRM, before)
