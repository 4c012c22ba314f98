"""The input `builders`: which machines take part in a build, who is left out, and what happens when one is lost."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from flakeship.commands.building.failed_builder import failed_builder
from flakeship.commands.building.ssh_access import OpenSsh
from flakeship.errors import BuildError, ResourceError, UsageError
from flakeship.events import Emit, Notice, Warned
from flakeship.nix.build import derivation_document
from flakeship.nix.command import Nix
from flakeship.nix.configuration import is_trusted_by_daemon, uses_daemon
from flakeship.nix.failure import Failure
from flakeship.nix.machine import Answer, Machine, ask_all
from flakeship.nix.remote_builder import WHERE, RemoteBuilder, files_of, parse_builders
from flakeship.nix.ssh_config import of_the_user
from flakeship.nix.ssh_failure import SshCause, SshFailure
from flakeship.nix.ssh_key import is_read_by_ssh, private_key
from flakeship.outside.reading import read_file
from flakeship.printable import counted
from flakeship.settings.declaration import Settings
from flakeship.store_paths import name_of_derivation

_LARGEST: Final = 1 << 20
_READS_PORTS: Final = (2, 34)


def read_builders(settings: Settings, cwd: Path) -> tuple[RemoteBuilder, ...]:
    """The machines that the input names, with their keys checked. UsageError for what can't be read or used."""
    names = files_of(settings.builders)
    if "" in names:
        raise UsageError(
            f"{WHERE}: no file is named behind `@`", hint="write `@FILE`, such as `@/etc/nix/machines`"
        )
    texts = {name: _text(Path(cwd, name), f"{WHERE}: the file {name}") for name in names}
    builders = parse_builders(settings.builders, texts)
    return tuple(replace(each, machine=_with_key(each.machine, cwd)) for each in builders)


def _with_key(machine: Machine, cwd: Path) -> Machine:
    if machine.key is None:
        return machine
    given = str(machine.key)
    path = Path(cwd, of_the_user(given) if given.startswith("~/") else given)
    name = f"{WHERE}: the key {machine.key} of {machine}"
    try:
        text = _text(path, name, "utf-8")
    except UsageError as error:
        if isinstance(
            error.__cause__, PermissionError
        ):  # a daemon may read it, as root: `check` knows whether one does
            return replace(machine, key=path)
        raise
    if not is_read_by_ssh(text, private_key(text, name)):
        raise UsageError(
            f"{name} is not as ssh reads one from a file: a line feed ends each of its lines, the last too, and nothing else stands in them",
            hint="write the file anew (`tr -d '\\r'` takes carriage returns away), or give it by --ssh-key-file, which mends that",
        )
    return replace(machine, key=path)


def _text(path: Path, name: str, encoding: str = "utf-8-sig") -> str:
    try:
        return read_file(path, _LARGEST).decode(encoding)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        why = "it is no text" if isinstance(error, UnicodeDecodeError) else why
        raise UsageError(
            f"{name} can't be read: {why}", hint="check its name, and that this user may read it"
        ) from error


@dataclass(kw_only=True)
class RemoteBuilders:
    """The machines of one run. `builders` may be empty: then nix.conf may name some, and only `max-jobs` is looked at.

    `known` are the settings of Nix by name.
    """

    builders: tuple[RemoteBuilder, ...]
    ssh: OpenSsh | None
    known: Mapping[str, Any]
    emit: Emit
    _daemon: bool = field(default=False, init=False)
    _free: tuple[RemoteBuilder, ...] | None = field(default=None, init=False)
    _repeated: bool = field(default=False, init=False)
    _warned: bool = field(default=False, init=False)
    _built: dict[str, str] = field(default_factory=dict, init=False)

    @property
    def _builds_nothing_here(self) -> bool:
        return self.known.get("max-jobs") == 0

    def check(self, nix: Nix) -> None:
        """UsageError for a machine whose host key nobody knows; nobody is asked for that."""
        self._daemon = uses_daemon(nix, self.known)
        if not self.builders or self._daemon:
            return
        assert self.ssh
        for each in self.builders:
            if (key := each.machine.key) and not os.access(key, os.R_OK):
                _text(key, f"{WHERE}: the key {key} of {each.machine}")
            if not self.ssh.knows(each.machine):
                raise UsageError(
                    f"{WHERE}: the host key of {each.machine} is not known, so it could be anybody",
                    hint=f"give the line that `ssh-keyscan {each.machine.address.keyscan}` prints by `ssh-known-hosts`, and compare it "
                    "with /etc/ssh/ssh_host_ed25519_key.pub of that machine; or write that file in Base64 as the eighth field",
                )

    def ready(self, nix: Nix, derivations: Sequence[str]) -> Nix:
        """The Nix that builds these derivations: with the machines that answer, each of which is asked once in a run.

        UsageError where nobody may build, BuildError where nobody is free, NotAllowedError where a machine is not whom it
        says it is, or does not take the key.
        """
        if not self.builders:
            self._refuse_to_wait(nix, derivations)
            return nix
        if self._daemon:
            return self._by_daemon(nix)
        if self._free is None:
            self._free = self._asked(nix)
        return self._with(nix, self._free)

    def warn_of_key(self) -> None:
        """Say once that what is built here could read the key: it is not isolated, and Nix needs the key meanwhile."""
        apart = bool(self.known.get("build-users-group")) and os.geteuid() == 0
        if self._warned or apart or self._builds_nothing_here or not self._free:
            return
        self._warned = True
        self.emit(
            Warned(
                "`ssh-key` can be read by what this machine builds: Nix does not isolate it, and needs the key to reach the builders",
                hint="set `nix-config: max-jobs = 0`, so that all is built there; or run where Nix's sandbox works",
            )
        )

    def again(self, failure: Failure) -> Nix | None:
        """What a build is done again with that failed over a machine: the others. None for any other failure.

        Where no other one can build it, or where this is the second time, BuildError, which names a machine that was lost, or
        ResourceError for a full disk.
        """
        failed = failed_builder(failure, self.builders)
        if failed is None:
            return None
        if not failed.drv:
            return self._with_all(failure, failed.builder.machine)
        machine, name = failed.builder.machine, name_of_derivation(failed.drv)
        system = str(derivation_document(failure.nix, failed.drv)["system"])
        left = tuple(each for each in self._free or self.builders if each != failed.builder)
        possible = self._somebody_builds(system, left)
        if failed.why is None:
            what = f"the disk of the builder {machine} is full, or that of this machine: {name} was not built"
            hint = "free some space there (`nix store gc`)"
            if self._repeated or not possible:
                raise ResourceError(
                    what,
                    hint=f"look at both (`df /nix`), and first at {machine}: `nix store gc` there removes what nothing needs",
                    detail=failure.end,
                )
        else:
            why = self._reason(failure.nix, machine, failed.why).why
            what = f"the builder {machine} was lost while it built {name}: {why}"
            hint = "look at that machine"
            if self._repeated or not possible:
                nobody = "" if self._repeated else f", and no other machine builds for {system}"
                raise BuildError(
                    f"{what}{nobody}",
                    hint="look at what happened to that machine (its memory, its disk, its network), and start the job again; "
                    "name a second machine in `builders`, which takes over",
                    detail=failure.end,
                )
        self._repeated, self._free = True, left
        done = failure.log.machines.items()
        self._built |= {drv: store for drv, store in done if store not in failed.builder.stores}
        self.emit(Warned(what, hint=f"{hint}; the build runs again without it"))
        return self._with(failure.nix, left)

    def _with_all(self, failure: Failure, machine: Machine) -> Nix | None:
        """A machine that had answered before closed the connection when it was to build: that passes, where many come at once."""
        if self._repeated:
            return None
        self._repeated = True
        self.emit(
            Warned(
                f"the builder {machine} closed the connection before it was given anything to build",
                hint="read the log of sshd there (`MaxStartups`); the build runs again",
            )
        )
        return failure.nix

    def tell(self, machines: Mapping[str, str]) -> None:
        """Say which machine built what: `machines` are stores by derivation, as `Log` has them."""
        machines, self._built = {**self._built, **machines}, {}
        for each in self.builders:
            built = sorted(name_of_derivation(drv) for drv, store in machines.items() if store in each.stores)
            if built:
                more = f" and {counted(len(built) - 5, 'more')}" if len(built) > 5 else ""
                self.emit(Notice(f"the builder {each.machine} built {', '.join(built[:5])}{more}"))

    def _asked(self, nix: Nix) -> tuple[RemoteBuilder, ...]:
        by_machine = {each.machine: each for each in self.builders}
        answers = ask_all(nix, list(by_machine))
        for answer in answers:
            if answer.failure and answer.failure.is_about_trust:
                raise answer.failure.error(f"the builder {answer.machine}")
        free = tuple(by_machine[answer.machine] for answer in answers if not answer.failure)
        if not free and self._builds_nothing_here:
            raise _nobody(answers)
        for answer in answers:
            if answer.failure:
                self.emit(
                    Warned(
                        f"the builder {answer.machine} is left out: {answer.failure.why}",
                        hint=answer.failure.hint,
                    )
                )
        return free

    def _with(self, nix: Nix, builders: Sequence[RemoteBuilder]) -> Nix:
        return nix.with_options([("builders", " ; ".join(map(self._line, builders)))])

    def _line(self, builder: RemoteBuilder) -> str:
        """Its line for who connects: this Nix, or a daemon, as root, which is told the files."""
        builder = replace(builder, systems=builder.systems or self._own_systems[:1])
        if not self._daemon:
            return builder.line
        assert self.ssh
        machine = builder.machine
        return builder.line_for_daemon(
            machine.key or self.ssh.key, machine.host_key or self.ssh.host_key(machine)
        )

    def _by_daemon(self, nix: Nix) -> Nix:
        if not is_trusted_by_daemon(nix, self.known):
            if not self._warned:
                self._warned = True
                self.emit(
                    Warned(
                        f"Nix's daemon ignores `{WHERE}`, since it does not trust this user",
                        hint="name the user in `trusted-users` of nix.conf, which the daemon reads when it starts",
                    )
                )
            return nix
        for each in self.builders:
            if each.machine.address.port not in (0, 22) and nix.version < _READS_PORTS:
                raise UsageError(
                    f"{WHERE}: {each.machine} has a port, which a daemon of Nix before 2.34 can't be told",
                    hint="write a `Host` with that `Port` into ~root/.ssh/config, and name the machine by it",
                )
        return self._with(nix, self._free or self.builders)

    def _refuse_to_wait(self, nix: Nix, derivations: Sequence[str]) -> None:
        if self._builds_nothing_here and derivations and not _named_elsewhere(self.known):
            raise UsageError(
                f"`max-jobs` is 0, so this machine builds nothing, and no builder is named for {counted(len(derivations), 'derivation')} "
                f"such as {name_of_derivation(derivations[-1])}",
                hint=f"name a machine in `{WHERE}`, or take `max-jobs = 0` out of nix-config and nix.conf",
            )

    def _reason(self, nix: Nix, machine: Machine, why: SshFailure) -> SshFailure:
        """Why the machine can't be reached now says more than that its connection was closed."""
        answers = [] if self._daemon else ask_all(nix, [machine])
        failure = answers[0].failure if answers else None
        return failure or replace(why, cause=SshCause.LOST, why="the connection was closed")

    def _somebody_builds(self, system: str, left: Sequence[RemoteBuilder]) -> bool:
        if any(system in (each.systems or self._own_systems[:1]) for each in left):
            return True
        return not self._builds_nothing_here and system in self._own_systems

    @cached_property
    def _own_systems(self) -> tuple[str, ...]:
        return (str(self.known.get("system", "")), *self.known.get("extra-platforms", ()))


def _nobody(answers: Sequence[Answer]) -> BuildError:
    each = "; ".join(f"{answer.machine}: {answer.failure.why}" for answer in answers if answer.failure)
    return BuildError(
        f"no builder is free, and `max-jobs` is 0, so nothing can be built ({each})",
        hint=next(answer.failure.hint for answer in answers if answer.failure),
        detail="\n".join(answer.failure.detail for answer in answers if answer.failure),
    )


def _named_elsewhere(known: Mapping[str, Any]) -> bool:
    """Whether nix.conf names a machine, or the file that Nix takes by itself."""
    text = str(known.get("builders", ""))
    for name in files_of([text]):
        try:
            lines = Path(name).read_text(errors="replace").splitlines()
        except OSError:
            continue
        if any(line.strip() and not line.lstrip().startswith("#") for line in lines):
            return True
    return any(part.strip() and not part.strip().startswith("@") for part in re.split(r"[;\n]", text))
