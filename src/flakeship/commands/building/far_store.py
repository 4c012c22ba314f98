"""The input `store`: a machine where Nix builds and keeps everything, and from which images are shipped."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

from flakeship import events
from flakeship.commands.building.ssh_access import OpenSsh
from flakeship.errors import BuildError, Error, UsageError
from flakeship.image.stream import Reader
from flakeship.nix.closure import PathInfo
from flakeship.nix.command import Nix
from flakeship.nix.elsewhere import NOT_TRUSTED, not_trusted
from flakeship.nix.failure import Failure
from flakeship.nix.far_link import FarLink
from flakeship.nix.far_store import FarStore
from flakeship.nix.machine import Address, Machine, new_alias, shown_address
from flakeship.nix.ssh_failure import ssh_failure
from flakeship.settings.declaration import Settings
from flakeship.sources.nar_files import NarFiles
from flakeship.store_paths import store_path_of

WHERE: Final = "store"
_FOLDER: Final = "far"
_PARAMETERS: Final = frozenset({"remote-program", "remote-store", "compress"})
_PLAIN: Final = re.compile(r"[A-Za-z0-9/._?=:&+-]+")
_HERE: Final = frozenset({"", "auto", "local", "daemon", "unix"})
_HINT: Final = "write `ssh-ng://USER@HOST`, a machine with Nix that this one reaches by ssh"


# docs/decisions.md#a-far-store-builds-everything
def read_store(settings: Settings) -> Machine:
    """The machine that the input names. UsageError for any other store, and for inputs that are about this machine."""
    text = settings.store
    scheme, colon, _ = text.partition("://")
    if text in _HERE or text.startswith("/") or scheme in {"unix", "local"}:
        raise UsageError(
            f"{WHERE}: {text!r} is a store of this machine, which is used anyway",
            hint="leave `store` out",
        )
    if not colon or scheme not in {"ssh-ng", "ssh"}:
        why = "keeps archives and builds nothing" if colon else "is no address of a store"
        raise UsageError(f"{WHERE}: {shown_address(text)!r} {why}", hint=_HINT)
    address = Address.parse(text, WHERE)
    for name, value in parse_qsl(address.query, keep_blank_values=True):
        if name not in _PARAMETERS:
            raise UsageError(
                f"{WHERE}: the parameter {name!r} is not read here",
                hint=f"give a key by `ssh-key`, host keys by `ssh-known-hosts`; {', '.join(sorted(_PARAMETERS))} may stand in the address",
            )
        if name.startswith("remote-") and not _PLAIN.fullmatch(value):
            raise UsageError(
                f"{WHERE}: {name} is {value!r}, which a shell there would not take as it stands",
                hint="write a path or a name of letters, digits and /._?=:-",
            )
    _check_beside(settings)
    return Machine(address, new_alias(address, ()))


def _check_beside(settings: Settings) -> None:
    """UsageError for an input that would have no effect, or another one, on a store that is elsewhere."""
    refused = (
        (
            "builders",
            bool(settings.builders),
            "the machine of `store` builds, and chooses its own builders",
            "name them in nix.conf there, or leave one of the two out",
        ),
        (
            "source",
            bool(settings.source),
            "a `source` is read on this machine",
            "leave `store` out, or build it there: `flake`",
        ),
        (
            "sandbox: required",
            settings.sandbox == "required",
            "whether the machine of `store` builds in a sandbox is set there",
            "set `sandbox = true` and `sandbox-fallback = false` in nix.conf there, and leave `sandbox` out",
        ),
        (
            "rebuild: compare",
            settings.rebuild == "compare",
            "a second build is compared where the first one lies",
            "leave `store` out for the run that compares",
        ),
        (
            "cachix-auth-token",
            bool(settings.cachix_auth_token),
            "what is built there does not come to this machine, which pushes to Cachix",
            "push to the cache there, by a post-build-hook, and leave the token out here",
        ),
    )
    for name, given, why, hint in refused:
        if given:
            raise UsageError(f"`{WHERE}` and `{name}` are both given, but {why}", hint=hint)


@dataclass(kw_only=True)
class FarPlace:
    """What was built on the machine of `store`, and how it is read here. `folder` is private, and outlives the run's images.

    Errors as those of FarStore.
    """

    machine: Machine
    ssh: OpenSsh
    store: FarStore
    folder: Path
    emit: events.Emit
    _infos: dict[str, PathInfo] = field(default_factory=dict, init=False, repr=False)
    _checked: bool = field(default=False, init=False)
    _repeated: bool = field(default=False, init=False)
    files: NarFiles = field(init=False)

    def __post_init__(self) -> None:
        self.files = NarFiles(self._nars, self._infos.__contains__, self.folder)

    @classmethod
    def of(cls, machine: Machine, ssh: OpenSsh, nix: Nix, folder: Path, emit: events.Emit) -> FarPlace:
        """A place that nobody has asked anything of yet."""
        compress = dict(parse_qsl(machine.address.query)).get("compress") == "true"
        words = ("ssh", *ssh.variables["NIX_SSHOPTS"].split(), *(("-C",) if compress else ()))
        link = FarLink(machine=machine, ssh=words, environ=nix.environ, emit=emit)
        return cls(machine=machine, ssh=ssh, store=FarStore(link), folder=folder / _FOLDER, emit=emit)

    def check(self) -> None:
        """Reach the machine before anything is built. UsageError where nobody knows its host key, or images can't be read from there."""
        if self._checked:
            return
        if not self.ssh.knows(self.machine):
            raise UsageError(
                f"{WHERE}: the host key of {self.machine} is not known, so it could be anybody",
                hint=f"give the line that `ssh-keyscan {self.machine.address.keyscan}` prints by `ssh-known-hosts`, and compare it with "
                "/etc/ssh/ssh_host_ed25519_key.pub of that machine",
            )
        self.store.check()
        self._checked = True

    @property
    def told(self) -> str:
        """What is to be said before a build."""
        release = f" (Nix {self.store.release})" if self.store.release else ""
        return f"everything is built and kept on {self.machine}{release}, in a sandbox as it is set up there"

    def keep(self, paths: Sequence[str]) -> None:
        """Let the garbage collector there keep what is about to be built: it may run between the build and what reads the result."""
        self.check()
        self.store.keep(paths)

    def closure(self, root: str) -> tuple[PathInfo, ...]:
        """Return `root` and all that it needs at run time, in the order of `nix.closure`."""
        found = self.store.closure((root,))
        self._infos |= {info.path: info for info in found}
        return found

    @property
    def infos(self) -> Mapping[str, PathInfo]:
        """What was told of all paths whose closures were asked for so far."""
        return self._infos

    @property
    def sizes(self) -> Mapping[str, int]:
        """The sizes of NARs in bytes, of all paths whose closures were asked for so far."""
        return {path: info.nar_size for path, info in self._infos.items()}

    def here(self, roots: Sequence[str]) -> Sequence[str]:
        """Return nothing: all is read from there."""
        return ()

    def holds(self, path: str) -> bool:
        """Whether a path is in that store."""
        self.check()
        return bool(store_path_of(path) == path and self.store.holds(path))

    def again(self, failure: Failure) -> Nix | None:
        """The same once more, where the connection was closed before anything was built; no other machine has that store.

        Else it raises what the machine has to do with the failure, if anything.
        """
        why = ssh_failure(f"{failure.said}\n{failure.around}")
        if why and why.may_pass and not (failure.log.builds_began or self._repeated):
            self._repeated = True
            self.emit(
                events.Warned(
                    f"{self.machine} closed the connection before anything was built there",
                    hint="read the log of sshd there (`MaxStartups`); the build runs again",
                )
            )
            return failure.nix
        if error := self._error(failure):
            raise error
        return None

    def tell(self, machines: Mapping[str, str]) -> None:
        """Say nothing: that all was built there was said before."""

    def _error(self, failure: Failure) -> Error | None:
        said = f"{failure.said}\n{failure.around}"
        if re.search(NOT_TRUSTED, said):
            return not_trusted(str(self.store), failure.end)
        why = ssh_failure(said)
        if why is None:
            return None
        if why.is_about_trust:
            return why.error(str(self.store))
        return BuildError(
            f"{self.machine} was lost while {failure.installable} was built there: {why.why}",
            hint=f"{why.hint}; what was built there already is not built again",
            detail=failure.end,
        )

    def _nars(self, paths: Sequence[str]) -> Generator[Reader, None, None]:
        yield from self.store.nars([self._infos[path] for path in paths])
