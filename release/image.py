"""The image of the action in its registry: what a version's tag names, pushing it, and moving the major tag."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from flakeship import events
from flakeship.http.clock import Clock
from flakeship.http.transport import Transport
from flakeship.registry.client import RegistryClient
from flakeship.registry.credentials import Credentials
from flakeship.registry.errors import DeniedError
from flakeship.registry.manifest_answer import Manifest
from flakeship.registry.reference import Reference
from release import PROJECT, NotReleasableError
from release.version import Version

PLATFORMS: Final = ("linux/amd64", "linux/arm64")
_REVISION: Final = "org.opencontainers.image.revision"


@dataclass(frozen=True, slots=True)
class ActionImage:
    """`name` is a reference without a tag, `ghcr.io/owner/name`. Nobody else's credentials are looked for."""

    name: str
    username: str = ""
    password: str = field(default="", repr=False)

    def published(self, version: Version, commit: str) -> str:
        """Return the digest of what the version's tag names; empty if there is no such tag.

        NotReleasableError if that was not made from `commit` for every platform.
        """
        try:
            return self._published(version, commit, "pull")
        except DeniedError:
            # GHCR says no more of a package that is not there yet. `publish` asks anew, with the right to make it.
            return ""

    def publish(self, layout: Path, version: Version, commit: str, *, created: str) -> str:
        """Push the index in `layout` under the version's tag, unless it is there, and return its digest.

        The labels are given here, once: they link the package to the repository at GitHub, and name the commit. `created`
        is in seconds since 1970.
        """
        if there := self._published(version, commit, "pull,push"):
            return there
        labels = {
            "org.opencontainers.image.source": f"https://github.com/{PROJECT}",
            "org.opencontainers.image.version": str(version),
            "org.opencontainers.image.licenses": "MIT",
            "org.opencontainers.image.description": "Nix and flakeship: the image of the action",
            _REVISION: commit,
        }
        flags = [f"--created={created}", *(f"--labels={key}={value}" for key, value in labels.items())]
        self._push(layout, version, flags)
        return self._published(version, commit, "pull,push")

    def move_major_tag(self, version: Version, digest: str) -> None:
        """Let `:1` name the same bytes as `digest`."""
        self.check_public(digest)
        manifest = self._manifest(digest, "pull,push")
        assert manifest, "it was just there"
        tag, kind = str(version.major), manifest.media_type
        with self._client("pull,push") as client:
            client.retrying(
                lambda: client.put_manifest(tag, manifest.data, media_type=kind), what=f"set {tag}"
            )

    def check_public(self, digest: str) -> None:
        """NotReleasableError if the image can't be pulled by everybody, that is without credentials."""
        try:
            found, _ = ActionImage(self.name).named(digest)
        except DeniedError as error:
            raise NotReleasableError(
                f"{self.name} is there, but not everybody may pull it: {error.message}",
                hint="make the package public, as docs/releasing.md says, and run this job again",
            ) from error
        if not found:
            raise NotReleasableError(f"{self.name} holds no {digest}", hint="run the step `image` again")

    def named(self, tag: str) -> tuple[str, tuple[str, ...]]:
        """Digest and platforms of what a tag or a digest names; both empty if there is no such image."""
        manifest = self._manifest(tag, "pull")
        return (manifest.digest, _platforms(manifest)) if manifest else ("", ())

    def _published(self, version: Version, commit: str, actions: str) -> str:
        manifest = self._manifest(str(version), actions)
        if manifest is None:
            return ""
        self._check(manifest, version, commit)
        return manifest.digest

    def _push(self, layout: Path, version: Version, flags: Sequence[str]) -> None:
        command = ["publish", "--source", str(layout), "--to", f"docker://{self.name}:{version}", *flags]
        settled = ("--auto-labels=false", "--annotations-from-labels=true", "--lint=off", "--push=true")
        # As on a laptop: else it would write outputs of the workflow's step, which are ours to write.
        platform = ("FLAKESHIP_", "GITHUB_", "INPUT_")
        environ = {name: value for name, value in os.environ.items() if not name.startswith(platform)}
        if self.username:
            environ |= {"FLAKESHIP_USERNAME": self.username, "FLAKESHIP_PASSWORD": self.password}
        done = subprocess.run(
            [sys.executable, "-m", "flakeship", *command, *settled],
            env=environ,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise NotReleasableError(
                f"the image was not published: flakeship ended with exit code {done.returncode}, for the reason above"
            )

    def _check(self, manifest: Manifest, version: Version, commit: str) -> None:
        made_from = (
            json.loads(manifest.data).get("annotations", {}).get(_REVISION, "a commit it does not name")
        )
        if made_from != commit:
            raise NotReleasableError(
                f"{self.name}:{version} was made from {made_from}, and not from {commit}",
                hint="a version that was published stays what it is: finish it with its own commit, or raise the version",
            )
        if (found := _platforms(manifest)) != PLATFORMS:
            raise NotReleasableError(f"{self.name}:{version} is for {found}, and not for {PLATFORMS}")

    def _manifest(self, tag: str, actions: str) -> Manifest | None:
        with self._client(actions) as client:
            return client.retrying(lambda: client.get_manifest(tag), what=f"look at {tag}")

    @contextlib.contextmanager
    def _client(self, actions: str) -> Iterator[RegistryClient]:
        reference = Reference.parse(self.name)
        clock = Clock(now=time.monotonic, sleep=time.sleep, random=random.random)
        found = Credentials(self.username, self.password) if self.username else None
        with Transport(
            ca=None, plain_http=(), environ=os.environ, emit=events.ignore, clock=clock
        ) as transport:
            yield RegistryClient(transport, reference.registry, reference.repository, found, actions=actions)


def _platforms(manifest: Manifest) -> tuple[str, ...]:
    listed = (entry.get("platform", {}) for entry in json.loads(manifest.data).get("manifests", []))
    return tuple(f"{each.get('os')}/{each.get('architecture')}" for each in listed)
