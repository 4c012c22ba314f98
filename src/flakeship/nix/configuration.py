"""How Nix is configured on this machine: its sandbox, and whether it accepts substituters from this user."""

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
from flakeship.confinement import variables
from flakeship.errors import BuildError
from flakeship.nix.command import Nix

DAEMON_SOCKET: Final = Path("/nix/var/nix/daemon-socket/socket")
# Nix isolates a builder by these namespaces. Root may create them; others need a user namespace around them.
_NAMESPACES: Final = ("unshare", "--mount", "--pid", "--fork", "--mount-proc")
_USER_NAMESPACE: Final = ("--user", "--map-root-user")


def settings(nix: Nix) -> Mapping[str, Any]:
    """Return the value of every setting by its name. The verb is `show-config` before Nix 2.20."""
    verbs = ("config show", "show-config")
    first, other = verbs if nix.version >= (2, 20) else reversed(verbs)
    try:
        document = nix.query(first, "--json")
    except BuildError:
        document = nix.query(other, "--json")
    return {name: entry["value"] for name, entry in document.items()}


@dataclass(frozen=True, slots=True)
class SandboxState:
    """The setting `sandbox`, and whether this machine can isolate builds.

    `possible` is None if a daemon builds, if the setting is off, or if it can't be found out.
    `fallback` is the setting `sandbox-fallback`: build without a sandbox if no sandbox is possible.
    """

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
        """True if a build certainly runs in the sandbox."""
        return self.setting == "on" and self.possible is not False


def sandbox_state(nix: Nix, *, known: Mapping[str, Any] | None = None) -> SandboxState:
    """Find out whether builders run in a sandbox: read the setting, and try to create namespaces as Nix does.

    `known` are the values of `settings`, if the caller has them already.
    """
    values = settings(nix) if known is None else known
    setting: Literal["on", "off", "relaxed"] = (
        "relaxed" if values.get("sandbox") == "relaxed" else "on" if values.get("sandbox") else "off"
    )
    possible = None if setting == "off" or uses_daemon(nix, values) else _namespaces(nix)
    return SandboxState(setting, bool(values.get("sandbox-fallback", True)), possible)


def uses_daemon(nix: Nix, values: Mapping[str, Any]) -> bool:
    """Return True if a daemon builds. It uses its own environment, and only some settings of an untrusted user."""
    store = nix.environ.get("NIX_REMOTE") or str(values.get("store", "auto"))
    if store != "auto":
        return store not in ("local", "") and not store.startswith("/")
    return not os.access("/nix/var/nix", os.W_OK) and DAEMON_SOCKET.exists()


def may_choose_substituters(nix: Nix, *, known: Mapping[str, Any] | None = None) -> bool:
    """Return True if Nix uses the substituters that we name: a daemon ignores those of a user that it does not trust.

    `known` are the values of `settings`, if the caller has them already.
    https://nix.dev/manual/nix/latest/command-ref/conf-file#conf-trusted-users
    """
    values = settings(nix) if known is None else known
    return not uses_daemon(nix, values) or is_trusted_by_daemon(nix, values)


def is_trusted_by_daemon(nix: Nix, values: Mapping[str, Any]) -> bool:
    """Whether the daemon that builds trusts this user: only then it heeds substituters and builders that a user names."""
    for verb in ("store info", "store ping"):  # renamed in Nix 2.19; before 2.14 its JSON has no `trusted`
        try:
            done = nix.run(verb, "--json", timeout=10)
        except TimeoutError:  # a daemon that is busy; what the settings say will do
            break
        if done.returncode == 0 and (trusted := _trusted(done.stdout)) is not None:
            return trusted
    return _is_trusted_user(values.get("trusted-users", []))


def _trusted(stdout: bytes) -> bool | None:
    try:
        answer = json.loads(stdout)
    except (ValueError, RecursionError):
        return None
    found = answer.get("trusted") if isinstance(answer, dict) else None
    return None if found is None else bool(found)


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
            process.run((*argv, "true"), environ=variables.PLAIN.of(nix.environ), timeout=5).returncode == 0
            for argv in attempts
        )
    except (process.NotStartedError, TimeoutError):
        return None
