"""The inputs `ssh-key` and `ssh-known-hosts`: files of this run, and the variables by which git takes them where Nix fetches."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flakeship.confinement.leftover_secrets import removed_with_us
from flakeship.errors import BuildError, ResourceError, advice
from flakeship.nix.ssh_hosts import known_hosts
from flakeship.nix.ssh_key import private_key
from flakeship.settings.declaration import Settings

_OPTIONS: Final = (
    "BatchMode=yes",
    # Neither the user's configuration nor the first connection decides whom to believe.
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    "CheckHostIP=no",
    # A connection that others hold open would be that of another key, and ours would outlive this run.
    "ControlMaster=no",
    "ControlPath=none",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "PermitLocalCommand=no",
)
_OF_THE_KEY: Final = ("IdentitiesOnly=yes", "IdentityAgent=none")
_OF_THE_USER: Final = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")


@dataclass(frozen=True, slots=True)
class OpenSsh:
    """`variables` are for Nix, whose git then uses the files; `key` is the key's own, or None."""

    variables: Mapping[str, str]
    key: Path | None

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
    def opened(self, folder: Path, environ: Mapping[str, str]) -> Iterator[OpenSsh]:
        """The files, in the private `folder`: the key goes with the block, and with this process.

        BuildError where there is no ssh, ResourceError where the files can't be written.
        """
        if not shutil.which("ssh", path=environ.get("PATH", os.defpath)):
            raise BuildError(
                "there is no `ssh` in PATH, by which git would use ssh-key and ssh-known-hosts",
                hint="install an ssh client (apt-get install openssh-client, nix profile install nixpkgs#openssh)",
            )
        key, hosts = folder / "ssh-key" if self.key else None, folder / "ssh-known-hosts"
        with removed_with_us((key,) if key else ()):
            try:
                _write(hosts, self.hosts)
                if key:
                    _write(key, self.key)
                yield OpenSsh({"GIT_SSH_COMMAND": _command(key, hosts), "GIT_SSH_VARIANT": "ssh"}, key)
            finally:
                if key:
                    key.unlink(missing_ok=True)


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
    options: list[str] = [*_OPTIONS, f"UserKnownHostsFile={' '.join((_quoted(hosts), *_OF_THE_USER))}"]
    if key:
        # not by -i, which looks for the file before tokens are expanded
        options += [*_OF_THE_KEY, f"IdentityFile={_quoted(key)}"]
    return shlex.join(["ssh", *(f"-o{option}" for option in options)])


def _quoted(path: Path) -> str:
    """A path in which ssh finds no blank and no token: ssh_config(5), TOKENS."""
    return f'"{path}"'.replace("%", "%%")
