"""A machine that Nix reaches by ssh: its address, the name that our ssh_config gives it, and whether it answers.

Builders and a far store are both machines. https://nix.dev/manual/nix/latest/store/types/experimental-ssh-store
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flakeship.errors import UsageError
from flakeship.nix.command import Nix
from flakeship.nix.ssh_failure import SshCause, SshFailure, silent, ssh_failure

PATIENCE: Final = 10.0
"""Seconds within which a machine must answer before a build."""
_PAUSE: Final = 0.5
"""Seconds after which a machine is asked again that closed the connection."""

_SCHEMES: Final = ("ssh-ng", "ssh")
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+$-]*")
_HOST: Final = re.compile(
    r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?\]"
)
_FAKED: Final = "localhost"
_HINT: Final = "write `HOST`, `USER@HOST:PORT` or `ssh-ng://USER@HOST:PORT`"
_HINT_IPV6: Final = "write an IPv6 address in brackets: `[::1]` or `USER@[::1]:PORT`"


@dataclass(frozen=True, slots=True)
class Address:
    """`ssh-ng://USER@HOST:PORT?QUERY`: `user`, `query` may be empty, `port` 0 for ssh's own. An IPv6 `host` has no brackets."""

    host: str
    user: str = ""
    port: int = 0
    query: str = ""

    @classmethod
    def parse(cls, text: str, where: str) -> Address:
        """Read an address whose scheme is optional; ssh:// is taken as ssh-ng://. UsageError, which begins with `where`, for others."""
        # docs/decisions.md#machines-are-reached-by-ssh-ng
        scheme, colon, rest = text.partition("://")
        if not colon:
            scheme, rest = "ssh-ng", text
        if scheme not in _SCHEMES:
            raise UsageError(
                f"{where}: {scheme}:// is no scheme by which a machine is reached over ssh", hint=_HINT
            )
        authority, _, query = rest.partition("?")
        user, at, place = authority.rstrip("/").rpartition("@")
        host, port = _host_and_port(place)
        if re.fullmatch(r"[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?", place) and place.count(":") > 1:
            raise UsageError(f"{where}: {text!r} is an address of IPv6 without brackets", hint=_HINT_IPV6)
        if not _HOST.fullmatch(host) or (at and not _USER.fullmatch(user)):
            raise UsageError(f"{where}: {shown_address(text)!r} is no address of a machine", hint=_HINT)
        if port is None:
            raise UsageError(f"{where}: the port of {text!r} is no number from 1 to 65535", hint=_HINT)
        return cls(host.strip("[]"), user, port, query)

    @property
    def keyscan(self) -> str:
        """What ssh-keyscan is told of it: `-p PORT HOST` where the port is not 22."""
        return f"-p {self.port} {self.host}" if self.port not in (0, 22) else self.host

    def __str__(self) -> str:
        """For messages: `USER@HOST:PORT`, without what was not given."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (f"{self.user}@" if self.user else "") + host + (f":{self.port}" if self.port else "")


@dataclass(frozen=True, slots=True)
class Machine:
    """`alias` is the Host of our ssh_config by which Nix names it: only Nix 2.34 and newer read a port in an address.

    `key` is a file that is for this machine alone, else the run's `ssh-key` holds. Of a machine with a `host_key` (`TYPE BASE64`)
    ssh believes that key alone; else the hosts of `ssh-known-hosts` and the user's known_hosts count.
    """

    address: Address
    alias: str
    key: Path | None = None
    host_key: str = ""

    @property
    def store(self) -> str:
        """The store there, as Nix writes it: `ssh-ng://USER@ALIAS?QUERY`. NIX_SSHOPTS of our ssh_config must be set."""
        user = f"{self.address.user}@" if self.address.user else ""
        return f"ssh-ng://{user}{self.alias}" + (f"?{self.address.query}" if self.address.query else "")

    def __str__(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a machine answered: `failure` is None if it can be used. `trusted` is None where its Nix or ours does not say."""

    machine: Machine
    failure: SshFailure | None = None
    trusted: bool | None = None


def new_alias(address: Address, taken: Iterable[str]) -> str:
    """A name for the machine that no other one has and that every Nix takes for a host: its own, if that is free.

    By its own name the user's configuration finds it too (a `Host` with a ProxyJump), also where the address has a port.
    Nix takes the host `localhost` for this machine, and starts no ssh for it.
    """
    own = re.sub(r"[^A-Za-z0-9.-]", "-", address.host).strip("-.") or "machine"
    with_port = f"{own}-{address.port}" if address.port else own
    names = (own, with_port, *(f"{with_port}-{number}" for number in range(2, 10_000)))
    return next(name for name in names if name not in {*taken, _FAKED})


def ask_all(nix: Nix, machines: Sequence[Machine], patience: float = PATIENCE) -> list[Answer]:
    """Ask all machines at the same time whether Nix answers there; their order is kept. It takes `patience` seconds at most.

    One that closes the connection is asked once more: sshd closes some where many come at once (MaxStartups), and a Nix that
    opens a new store beside another one may fail. `nix` must have the NIX_SSHOPTS of the ssh_config that names them.
    """
    if not machines:
        return []
    given_up = threading.Event()
    with ThreadPoolExecutor(len(machines), thread_name_prefix="machine") as pool:
        try:
            return list(pool.map(lambda machine: _ask(nix, machine, patience, given_up), machines))
        except BaseException:  # a signal reaches this thread alone, which then waits for the others
            given_up.set()
            raise


def _ask(nix: Nix, machine: Machine, patience: float, given_up: threading.Event) -> Answer:
    until = time.monotonic() + patience
    answer = _answer(nix, machine, patience, given_up)
    if answer.failure is None or not answer.failure.may_pass or given_up.wait(_PAUSE):
        return answer
    again = _answer(nix, machine, max(0.0, until - time.monotonic()), given_up)
    return answer if again.failure and again.failure.cause is SshCause.SILENT else again


def _answer(nix: Nix, machine: Machine, patience: float, given_up: threading.Event) -> Answer:
    # `ping` was renamed in Nix 2.19; only `info --json` tells whether we are trusted.
    words = ("store info", "--json") if nix.version >= (2, 19) else ("store ping",)
    try:
        done = nix.run(*words, "--store", machine.store, timeout=patience, given_up=given_up)
    except TimeoutError:
        return Answer(machine, silent(patience))
    if done.returncode == 0:
        return Answer(machine, None, _trusted(done.stdout))
    said = done.stderr.decode(errors="replace")
    failure = ssh_failure(said)
    return Answer(machine, failure.with_last_words(said) if failure else _unknown(said))


def _unknown(said: str) -> SshFailure:
    lines = [line for line in said.splitlines() if line.strip()] or ["nothing"]
    why = f"Nix says: {lines[-1].removeprefix('error: ').strip()}"
    return SshFailure(
        SshCause.NO_STORE, why, "run `nix store info --store ssh-ng://HOST` by hand to see more", said
    )


def _trusted(stdout: bytes) -> bool | None:
    try:
        document = json.loads(stdout)
    except (ValueError, RecursionError):
        return None
    found = document.get("trusted") if isinstance(document, dict) else None
    return None if found is None else bool(found)


def _host_and_port(place: str) -> tuple[str, int | None]:
    """The host, with the brackets of IPv6, and the port: 0 if the address has no port, None if what stands there is no number of a port."""
    found = re.fullmatch(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>.*))?", place)
    if not found:
        return "", 0
    port = found["port"]
    if port is None:
        return found["host"], 0
    right = re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 1 << 16
    return found["host"], int(port) if right else None


def shown_address(text: str) -> str:
    """An address as messages show it: without a password, which may hold an `@` itself, and without the values of parameters."""
    address, mark, _ = text.partition("?")
    return (
        re.sub(r"(?<=://)([^/@:]*):[^/]*@|^([^/@:]*):[^/]*@", r"\1\2:…@", address) + mark + "…" * bool(mark)
    )
