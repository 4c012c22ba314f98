"""The values that opening a destination needs, so that no destination reads the settings of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeAlias

from flakeship.destinations.written_blobs import WrittenBlobs
from flakeship.events import Emit

if TYPE_CHECKING:  # an image that goes to a folder needs no HTTP client
    from flakeship.http.transport import Transport
    from flakeship.registry.credential_search import FoundCredentials
    from flakeship.registry.credentials import Credentials
    from flakeship.registry.reference import Reference

PushPolicy: TypeAlias = Literal["auto", "true", "false"]
"""The input `push`: with `auto` an image is withheld where CI keeps credentials from the run, and nowhere else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushOptions:
    """Whether a run may send images away from this machine: for every kind of destination that does so.

    `policy` is the input `push`. `untrusted` says why this run may not push at all (a pull request from a fork); empty if
    it may. `secrets_kept` says why the platform may keep credentials from this run; empty if it does not.
    `without_credentials` says what is lacking where no credentials were found, if more is known than that.
    """

    policy: PushPolicy = "auto"
    untrusted: str = ""
    secrets_kept: str = ""
    without_credentials: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryOptions:
    """The way in which a run pushes to registries.

    `session` opens the HTTP session of the run when it is first called; `credentials` chooses those for one repository.
    `given_to_job` tells credentials that this job was given without anybody asking for them, and that may be too weak to
    push.

    `reuse` is False if nothing may be reused from a registry. `reuse_from` are tags (`:main`) and references that the
    user gave; only if no tag was given, `default_branch` and the usual tags are looked at. `pulled_from` are the
    references of the run's source and base image: their layers can be mounted within one registry.

    `by_digest` is True where no tag is written: those that were asked for are only looked at, and told.

    `platform_hint` says how to mend a refused push where a host is the registry of a CI platform, else nothing.
    `bodies` are the layers whose bytes are sent at the same time to one repository.
    """

    session: Callable[[], Transport]
    credentials: Callable[[Reference], FoundCredentials]
    given_to_job: Callable[[Credentials], bool] = lambda _: False
    reuse: bool = True
    reuse_from: tuple[str, ...] = ()
    pulled_from: tuple[str, ...] = ()
    default_branch: str = ""
    platform_hint: Callable[[str], str] = lambda _: ""
    bodies: int = 4
    by_digest: bool = False
    attaches: bool = False
    """Whether artifacts will be attached, so that it counts which manifests are new."""
    written: WrittenBlobs = field(default_factory=WrittenBlobs)
    """What earlier images of the run left in repositories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationOptions:
    """The values that any kind of destination needs to open one; each kind takes what concerns it.

    A kind that sends images away from this machine asks `withheld.withheld_because` before it is opened.
    `dry_run`: look, write nothing.
    `zstd`: layers are compressed with zstd, which old engines can't load. `home` is the user's home folder.
    `temporary` makes the run's own temporary folder, and returns it. `stdout` receives an image sent to `-`.
    """

    emit: Emit
    push: PushOptions
    registry: RegistryOptions
    dry_run: bool
    zstd: bool
    environ: Mapping[str, str]
    home: Path
    temporary: Callable[[], Path]
    stdout: BinaryIO
