"""Options of other tools that people write by habit, and what is written here in their place."""

from __future__ import annotations

from typing import Final, NamedTuple

_CREDENTIALS: Final = (
    "set FLAKESHIP_PASSWORD or give --password-stdin, with --username NAME and, of several, --registry HOST"
)
_PLAIN: Final = (
    "write --plain-http HOST for a registry without TLS, or --ca FILE for a certificate of your own"
)
_NO_PLAIN: Final = (
    "write --ca FILE for a certificate of your own, or --plain-http HOST: certificates are always checked"
)
_PLATFORMS: Final = (
    "write --platforms OS/ARCHITECTURE for those of an index to publish, --override-platform OS/ARCHITECTURE for an image "
    "that is mislabelled"
)
_INSPECT: Final = "write `flakeship inspect IMAGE --json`"


class Habit(NamedTuple):
    """The tool that an option belongs to, and what to write here."""

    tool: str
    hint: str


_HABITS: Final[dict[str, Habit]] = {
    "--dest-creds": Habit("skopeo", _CREDENTIALS),
    "--src-creds": Habit("skopeo", _CREDENTIALS),
    "--creds": Habit("skopeo and podman", _CREDENTIALS),
    "--dest-tls-verify": Habit("skopeo", _NO_PLAIN),
    "--src-tls-verify": Habit("skopeo", _NO_PLAIN),
    "--tls-verify": Habit("skopeo and podman", _NO_PLAIN),
    "--dest-authfile": Habit("skopeo", "write --authfile FILE"),
    "--src-authfile": Habit("skopeo", "write --authfile FILE"),
    "--dest-cert-dir": Habit("skopeo", _PLAIN),
    "--insecure-policy": Habit("skopeo", "leave it out: no policy of the machine is asked"),
    "--insecure": Habit("crane", _PLAIN),
    "--all": Habit("skopeo", "leave it out: an index is published with every platform"),
    "-a": Habit("skopeo", "leave it out: an index is published with every platform"),
    "--multi-arch": Habit(
        "skopeo", "leave it out: an index is published with every platform, or choose with --platforms"
    ),
    "--platform": Habit("docker, podman and crane", _PLATFORMS),
    "--override-os": Habit("skopeo", _PLATFORMS),
    "--override-arch": Habit("skopeo", _PLATFORMS),
    "--override-variant": Habit("skopeo", _PLATFORMS),
    "--arch": Habit("podman", _PLATFORMS),
    "--digestfile": Habit("skopeo and podman", "write --metadata-file FILE, or read the digest on stdout"),
    "--iidfile": Habit("docker and podman", "write --metadata-file FILE"),
    "--raw": Habit("skopeo", _INSPECT),
    "--format": Habit("skopeo, docker and podman", "write --media-types oci or --media-types docker"),
    "-f": Habit(
        "docker, skopeo and podman", "write --file FILE for a file of Nix, --media-types for the format"
    ),
    "--remove-signatures": Habit("skopeo", "leave it out: signatures of the image before are not copied"),
    "--image": Habit("crane", "write --source IMAGE"),
    "--label": Habit("docker", "write --labels KEY=VALUE, as often as there are labels"),
    "-l": Habit("docker and crane", "write --labels KEY=VALUE, as often as there are labels"),
    "--annotation": Habit(
        "docker and crane", "write --annotations KEY=VALUE, as often as there are annotations"
    ),
    "--output": Habit("docker", "write --to oci:DIR, oci-archive:FILE or docker-archive:FILE"),
    "-o": Habit("docker and crane", "write --to oci:DIR, oci-archive:FILE or docker-archive:FILE"),
    "--no-cache": Habit("docker", "write --reuse off for layers, --rebuild always for the build"),
    "--build-arg": Habit(
        "docker", "a flake takes no arguments: use `--labels`, `--env` and the like, or another attribute"
    ),
    "-A": Habit("nix-build", "write --attr NAME beside --file FILE"),
    "-I": Habit("nix-build", "write --nix-path NAME=PATH"),
    "--option": Habit("nix", "write --nix-config 'NAME = VALUE'"),
    "--no-link": Habit("nix", "leave it out: no link to the result is made"),
    "--print-build-logs": Habit("nix", "leave it out: the log of a build is shown"),
    "-L": Habit("nix", "leave it out: the log of a build is shown"),
}


_TO_INSPECT: Final[dict[str, Habit]] = {
    "--raw": Habit("skopeo", "write --json"),
    "--config": Habit("skopeo", "write --json, which has the config as `config`"),
    "--format": Habit("skopeo, docker and podman", "write --json, and let jq choose"),
    "-f": Habit("skopeo, docker and podman", "write --json, and let jq choose"),
    "--no-tags": Habit("skopeo", "leave it out: no tags are listed"),
    "-n": Habit("skopeo", "leave it out: no tags are listed"),
}
"""What they mean to those who look at an image."""


def of_other_tools(option: str, *, command: str = "publish") -> Habit | None:
    """Find an option of skopeo, crane, docker, podman or Nix; None for any other word."""
    habits = _HABITS | _TO_INSPECT if command == "inspect" else _HABITS
    return habits.get(option)
