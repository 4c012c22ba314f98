"""How this machine's Nix is set up: its sandbox, and whether it lets us choose where to substitute from."""

from __future__ import annotations

import grp
import json
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from flakeship import process
from flakeship.errors import BuildError
from flakeship.nix.command import Nix

DAEMON_SOCKET: Final = Path("/nix/var/nix/daemon-socket/socket")
# As Nix starts a builder: of its own it can do so as root, else in a user namespace.
_NAMESPACES: Final = ("unshare", "--mount", "--pid", "--fork", "--mount-proc")
_USER_NAMESPACE: Final = ("--user", "--map-root-user")


def settings(nix: Nix) -> Mapping[str, Any]:
    """Every setting by name. The verb was renamed in 2.20."""
    try:
        document = nix.query("config show", "--json")
    except BuildError:
        document = nix.query("show-config", "--json")
    return {name: entry["value"] for name, entry in document.items()}


@dataclass(frozen=True, slots=True)
class SandboxState:
    """The setting, and whether this machine can do it; `possible` is None where a daemon decides or nobody knows."""

    setting: Literal["on", "off", "relaxed"]
    fallback: bool
    possible: bool | None

    def __str__(self) -> str:
        if self.setting == "off":
            return "sandbox: off (as Nix is set up): a build can read this machine's files and the network"
        if self.possible is False and self.fallback:
            return "sandbox: off (this container allows no namespaces, and Nix builds on without)"
        if self.possible is False:
            return "sandbox: on, but this container allows no namespaces: a build will fail"
        return f"sandbox: {self.setting}"

    @property
    def holds(self) -> bool:
        """Whether a build is surely kept in its sandbox."""
        return self.setting == "on" and self.possible is not False


def sandbox_state(nix: Nix, *, known: Mapping[str, Any] | None = None) -> SandboxState:
    """Whether builders run in a sandbox: what is set, and whether the kernel lets us."""
    values = settings(nix) if known is None else known
    setting: Literal["on", "off", "relaxed"] = (
        "relaxed" if values.get("sandbox") == "relaxed" else "on" if values.get("sandbox") else "off"
    )
    possible = None if setting == "off" or uses_daemon(nix, values) else _namespaces(nix)
    return SandboxState(setting, bool(values.get("sandbox-fallback", True)), possible)


def uses_daemon(nix: Nix, values: Mapping[str, Any]) -> bool:
    """Whether another process builds: then the environment and settings of ours count for little."""
    store = nix.environ.get("NIX_REMOTE") or str(values.get("store", "auto"))
    if store != "auto":
        return store not in ("local", "") and not store.startswith("/")
    return not os.access("/nix/var/nix", os.W_OK) and DAEMON_SOCKET.exists()


def may_choose_substituters(nix: Nix) -> bool:
    """Whether Nix heeds our substituters: a daemon silently ignores those of a user whom it does not trust."""
    values = settings(nix)
    if not uses_daemon(nix, values):
        return True
    for verb in ("store info", "store ping"):  # renamed in 2.19; before 2.14 it does not tell
        done = nix.run(verb, "--json", timeout=10)
        if done.returncode == 0 and (trusted := _trusted(done.stdout)) is not None:
            return trusted
    return _is_trusted_user(values.get("trusted-users", []))


def _trusted(stdout: bytes) -> bool | None:
    answer = json.loads(stdout).get("trusted")
    return None if answer is None else bool(answer)


def _is_trusted_user(trusted: list[str]) -> bool:
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
        groups = {f"@{grp.getgrgid(group).gr_name}" for group in os.getgroups()}
    except KeyError:
        return "*" in trusted
    return bool({user, "*", *groups} & set(trusted))


def _namespaces(nix: Nix) -> bool | None:
    as_user = (*_NAMESPACES, *_USER_NAMESPACE)
    attempts = (_NAMESPACES, as_user) if os.geteuid() == 0 else (as_user,)
    try:
        return any(
            process.run((*argv, "true"), environ=nix.environ, timeout=5).returncode == 0 for argv in attempts
        )
    except (process.NotStartedError, TimeoutError):
        return None
