"""The inputs `ssh-key` and `ssh-known-hosts`: files of this run, and the variables by which git and Nix take them.

Git takes them where Nix fetches; Nix itself where it reaches a builder or a far store.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from flakeship import process
from flakeship.confinement import variables
from flakeship.confinement.leftover_secrets import removed_with_us
from flakeship.errors import BuildError, ResourceError, UsageError, advice
from flakeship.nix.machine import Machine
from flakeship.nix.ssh_config import (
    OF_THE_KEY,
    OF_THE_USER,
    STRICT,
    nix_sshopts,
    of_the_user,
    quoted,
    ssh_config,
)
from flakeship.nix.ssh_hosts import found_by_keygen, known_hosts
from flakeship.nix.ssh_key import private_key
from flakeship.settings.declaration import Settings

_OF_ALL: Final = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_SECONDS: Final = 10
"""How long a program of ssh may take that reads files of this machine."""


@dataclass(frozen=True, slots=True)
class OpenSsh:
    """`variables` are for Nix, whose git then uses the files, and for Nix itself where machines were given.

    `key` is the key's own file, or None; `hosts` is that of known_hosts.
    """

    variables: Mapping[str, str]
    key: Path | None
    hosts: Path
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def knows(self, machine: Machine) -> bool:
        """Whether ssh knows a host key of the machine: asked of ssh's own programs, and of no other machine."""
        return bool(machine.host_key or self._found(machine))

    def host_key(self, machine: Machine) -> str:
        """`TYPE KEY` that ssh believes; of several the first, and empty where it would believe none, or what an authority signs."""
        found = self._found(machine)
        return "" if found.startswith("@") else found

    def _found(self, machine: Machine) -> str:
        files = [self.hosts, *map(of_the_user, OF_THE_USER), *map(Path, _OF_ALL)]
        for name in self._looked_up(machine):
            for file in files:
                argv = ("ssh-keygen", "-F", name, "-f", str(file))
                done = self._asked(argv)
                if key := found_by_keygen(done.stdout.decode(errors="replace")):
                    return key
        return ""

    def _looked_up(self, machine: Machine) -> tuple[str, ...]:
        """The names by which ssh looks for the key, one after the other: the user's own configuration may give the machine
        another one, and a host without its port stands for all its ports. UsageError where ssh can't read its configuration.
        """
        config = self.variables["NIX_SSHOPTS"].split()
        user = f"{machine.address.user}@" if machine.address.user else ""
        done = self._asked(("ssh", *config, "-G", f"{user}{machine.alias}"))
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip()
            raise UsageError(
                f"ssh can't read its configuration, and so can't reach {machine}: {(words.splitlines() or ['it does not say why'])[0]}",
                hint=f"correct it: {of_the_user('~/.ssh/config')} and /etc/ssh/ssh_config count too, and nobody else may write to them",
                detail=words,
            )
        said = dict(
            line.split(maxsplit=1)
            for line in done.stdout.decode(errors="replace").splitlines()
            if " " in line
        )
        if alias := said.get("hostkeyalias"):
            return (alias,)
        host, port = said.get("hostname", machine.address.host), said.get("port", "22")
        return (host,) if port == "22" else (f"[{host}]:{port}", host)

    def _asked(self, argv: Sequence[str]) -> process.Completed:
        """Ask a program of ssh, which asks no machine but runs what the user's configuration tells it to run. UsageError for one that hangs."""
        try:
            return process.run(argv, environ=variables.PLAIN.of(self.environ), timeout=_SECONDS)
        except TimeoutError as error:
            raise UsageError(
                f"`{argv[0]}` reads its configuration and known hosts for more than {_SECONDS} seconds",
                hint=f"look for `Match exec` in {of_the_user('~/.ssh/config')} and /etc/ssh/ssh_config, and correct what hangs",
            ) from error

    @contextlib.contextmanager
    def without_key(self) -> Iterator[None]:
        """Take the file away for the block: what runs within may read all that we may."""
        if self.key is None:
            yield
            return
        text = self.key.read_text()
        self.key.unlink()
        try:
            yield
        finally:
            _write(self.key, text)


# docs/decisions.md#the-ssh-key-is-the-runs-file
@dataclass(frozen=True, slots=True)
class SshAccess:
    """`key` is as a file holds it, and empty where an agent or ssh's own files have keys; `hosts` is a known_hosts file."""

    key: str
    hosts: str

    @classmethod
    def of(cls, settings: Settings) -> SshAccess:
        """UsageError for a key or a line that ssh could not use."""
        key = private_key(settings.ssh_key) if settings.ssh_key else ""
        return cls(key, known_hosts(settings.ssh_known_hosts))

    @contextlib.contextmanager
    def opened(
        self, folder: Path, environ: Mapping[str, str], machines: Sequence[Machine] = ()
    ) -> Iterator[OpenSsh]:
        """The files, in the private `folder`: the key goes with the block, and with this process.

        `machines` are all that Nix is to reach in this run, builders and a far store: they need one file together.
        BuildError where there is no ssh, ResourceError where the files can't be written, UsageError as `nix_sshopts`.
        """
        if not shutil.which("ssh", path=environ.get("PATH", os.defpath)):
            raise BuildError(
                "there is no `ssh` in PATH, by which git and Nix would use ssh-key and ssh-known-hosts",
                hint="install an ssh client (apt-get install openssh-client, nix profile install nixpkgs#openssh)",
            )
        key, hosts = folder / "ssh-key" if self.key else None, folder / "ssh-known-hosts"
        with removed_with_us((key,) if key else ()):
            try:
                _write(hosts, self.hosts)
                if key:
                    _write(key, self.key)
                given = {"GIT_SSH_COMMAND": _command(key, hosts), "GIT_SSH_VARIANT": "ssh"}
                if machines:
                    given["NIX_SSHOPTS"] = _write_config(folder, machines, key, hosts)
                yield OpenSsh(given, key, hosts, environ)
            finally:
                if key:
                    key.unlink(missing_ok=True)


def _write_config(folder: Path, machines: Sequence[Machine], key: Path | None, hosts: Path) -> str:
    """Write the ssh_config and the host keys that are for one machine alone; return NIX_SSHOPTS."""
    own = [folder / f"ssh-host-key-{number}" for number, _ in enumerate(machines, 1)]
    for file, machine in zip(own, machines, strict=True):
        if machine.host_key:
            _write(file, f"{machine.alias} {machine.host_key}\n")
    config = folder / "ssh-config"
    _write(config, ssh_config(machines, key=key, hosts=hosts, own_hosts=own))
    return nix_sshopts(config)


def _write(path: Path, text: str) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    except OSError as error:
        raise ResourceError(
            f"can't write {path.name} to {path.parent}: {error.strerror}",
            hint=advice(error, "set TMPDIR to a folder that can be written to"),
        ) from error


def _command(key: Path | None, hosts: Path) -> str:
    """Git hands it to a shell, and ssh splits the values of its options once more."""
    options = [*STRICT, ("UserKnownHostsFile", " ".join((quoted(hosts), *OF_THE_USER)))]
    if key:
        # not by -i, which looks for the file before tokens are expanded
        options += [*OF_THE_KEY, ("IdentityFile", quoted(key))]
    return shlex.join(["ssh", *(f"-o{name}={value}" for name, value in options)])
