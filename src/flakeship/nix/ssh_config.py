"""Our own ssh_config, by which Nix and its builders' hook reach machines: https://man.openbsd.org/ssh_config.

The run writes it into its folder, and NIX_SSHOPTS names it; see commands/building/ssh_access.py.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from flakeship.errors import UsageError
from flakeship.nix.machine import Machine

STRICT: Final = (
    ("BatchMode", "yes"),
    # Neither the user's configuration nor the first connection decides whom to believe.
    ("StrictHostKeyChecking", "yes"),
    ("UpdateHostKeys", "no"),
    ("CheckHostIP", "no"),
    # A connection that others hold open would be that of another key, and ours would outlive this run.
    ("ControlMaster", "no"),
    ("ControlPath", "none"),
    ("ClearAllForwardings", "yes"),
    ("ForwardAgent", "no"),
    ("PermitLocalCommand", "no"),
)
"""Options of every connection of ours, git's too."""

OF_THE_KEY: Final = (("IdentitiesOnly", "yes"), ("IdentityAgent", "none"))
"""Options where a key is given: no other one is tried."""

OF_THE_USER: Final = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")

_PATIENT: Final = (
    ("ConnectTimeout", "10"),
    # A machine that has gone away is noticed after a minute.
    ("ServerAliveInterval", "15"),
    ("ServerAliveCountMax", "4"),
    ("RequestTTY", "no"),
    ("LogLevel", "ERROR"),
)
_AFTER: Final = "Match all\n  Include {}\n  Include /etc/ssh/ssh_config\n\n"
"""Whatever ours does not set: a ProxyJump, an alias of the user's."""
_OF_OTHERS: Final = (("BatchMode", "yes"), ("StrictHostKeyChecking", "yes"))
"""Of a host on the way (ProxyJump) the user's own configuration decides first; what passes through it is checked at its end."""


def of_the_user(name: str) -> Path:
    """Where ssh looks for a file such as `~/.ssh/config` by itself: in the home that passwd(5) has, whatever HOME says.

    Nix may have another HOME, and an Include follows it.
    """
    with contextlib.suppress(KeyError):
        return Path(name.replace("~", pwd.getpwuid(os.getuid()).pw_dir, 1))
    return Path(name).expanduser()


def ssh_config(
    machines: Sequence[Machine], *, key: Path | None, hosts: Path, own_hosts: Sequence[Path]
) -> str:
    """Return the text of the file: a Host for each machine, by its alias.

    `key` is the run's key file, `hosts` its known_hosts file, and `own_hosts` has for each machine the file that holds
    its `host_key` alone, used where it has one.
    """
    blocks = [
        _block(machine, machine.key or key, (own,) if machine.host_key else (hosts,))
        for machine, own in zip(machines, own_hosts, strict=True)
    ]
    after = _AFTER.format(quoted(of_the_user("~/.ssh/config")))
    others = " ".join(("*", *(f"!{machine.alias}" for machine in machines)))
    known = ("UserKnownHostsFile", " ".join((quoted(hosts), *OF_THE_USER)))
    return "\n".join((*blocks, after + _lines(others, (*_OF_OTHERS, known))))


def nix_sshopts(config: Path) -> str:
    """The value of NIX_SSHOPTS, which Nix splits at blanks. UsageError where the folder has one in its name."""
    if re.search(r"[\s'\"\\]", str(config)):
        raise UsageError(
            f"Nix can't be told of a file in {config.parent}, whose name has a blank or a quotation mark",
            hint="set TMPDIR to a folder without",
        )
    return f"-F {config}"


def quoted(path: Path) -> str:
    """A path in which ssh finds no blank and no token: ssh_config(5), TOKENS."""
    return f'"{path}"'.replace("%", "%%")


def _block(machine: Machine, key: Path | None, hosts: Sequence[Path]) -> str:
    address = machine.address
    files = [quoted(path) for path in hosts]
    if not machine.host_key:
        files += OF_THE_USER
    options = [*STRICT, *_PATIENT, ("UserKnownHostsFile", " ".join(files))]
    if machine.host_key:
        options += [("GlobalKnownHostsFile", "none"), ("HostKeyAlias", machine.alias)]
    if key:
        options += [*OF_THE_KEY, ("IdentityFile", quoted(key))]
    if machine.alias != address.host:  # else a HostName of the user's own configuration counts
        options.append(("HostName", address.host.replace("%", "%%")))
    if address.port:
        options.append(("Port", str(address.port)))
    return _lines(machine.alias, options)


def _lines(hosts: str, options: Sequence[tuple[str, str]]) -> str:
    return "".join((f"Host {hosts}\n", *(f"  {name} {value}\n" for name, value in options)))
